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

from anetdsl.source import Edit
from anetdsl.text.edits.applying import apply, invert
from anetdsl.text.edits.attribute_edits import remove_attribute, set_attribute, set_attributes
from anetdsl.text.edits.edge_edits import add_edge, remove_edge, set_edges, set_weight
from anetdsl.text.edits.learned import set_learned
from anetdsl.text.edits.removal import remove_statement
from anetdsl.text.edits.renaming import rename, set_network_name
from anetdsl.text.edits.statement_edits import (
    find,
    insert_node,
    insert_nodes,
    set_origin,
    set_score,
)

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
