"""Change a text by minimal edits: edits as values, and functions that build them.

Edits do not touch other parts of the text, including comments and spaces, so two versions of a
network differ only in the lines that changed. A builder takes a syntax tree and returns edits of
its text; `apply(text, edits)` returns the new text. Edits of several builders can be applied
together if they concern different statements, or a list and other attributes of one statement.
Otherwise apply the first edits and parse the result before building more.

These comments are removed together with the removed part:

- for an item of a list or an attribute: the comment after it on its line;
- for a statement: the comments within it, the comment after it, and the comment lines directly
  above it, unless they are the heading of a paragraph with other statements.
"""

from anetdsl.source import Edit
from anetdsl.text.edits.applying import apply, invert
from anetdsl.text.edits.attribute_edits import remove_attribute, set_attribute, set_attributes
from anetdsl.text.edits.edge_edits import (
    add_edge,
    remove_edge,
    remove_node,
    set_edges,
    set_peers,
    set_weight,
)
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
    "remove_node",
    "remove_statement",
    "rename",
    "set_attribute",
    "set_attributes",
    "set_edges",
    "set_learned",
    "set_network_name",
    "set_origin",
    "set_peers",
    "set_score",
    "set_weight",
]
