"""Changing a text by its smallest part: edits as values, and functions that make them.

An edit leaves what it does not concern as it stands, comments and spacing included, so that two
versions of a network differ by the lines that changed. The builders read a syntax tree and give
edits for its text; `apply(text, edits)` is the new text. Edits of several builders go together
where they concern different statements, or a list and other attributes of one; otherwise apply,
parse, and go on from there.

Which comments go with what is removed:

- with an item of a list, or an attribute: the comment behind it on its line;
- with a statement: those within it, the one behind it, and the lines of comments directly above it,
  unless they head a paragraph in which other statements follow;
- all others stay.
"""

from anetdsl.edits.attributes import remove_attribute, set_attribute, set_attributes
from anetdsl.edits.edges import add_edge, remove_edge, set_edges, set_weight
from anetdsl.edits.learned import set_learned
from anetdsl.edits.names import rename, set_network_name
from anetdsl.edits.removal import remove_statement
from anetdsl.edits.statements import find, insert_node, insert_nodes, set_origin, set_score
from anetdsl.edits.text import apply, invert
from anetdsl.source import Edit

__all__ = [
    "Edit",
    "add_edge",
    "apply",
    "find",
    "insert_node",
    "insert_nodes",
    "invert",
    "remove_attribute",
    "remove_edge",
    "remove_statement",
    "rename",
    "set_attribute",
    "set_attributes",
    "set_edges",
    "set_learned",
    "set_network_name",
    "set_origin",
    "set_score",
    "set_weight",
]
