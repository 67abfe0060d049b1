"""Name nodes that were split or merged: the name of the family and a letter.

The halves of `n4` are `n4a` and `n4b`. The halves of `n4a` are the next two free names of the
family, `n4c` and `n4d`, so that names stay short however often a block is split. A merged node is
named `n4` again if no other node of the family is left.
"""

from __future__ import annotations

import itertools
import re
import string
from collections.abc import Collection, Iterator

_MEMBER = re.compile(r"(.*[0-9_])([a-z]{1,2})")


def split_names(name: str, used: Collection[str]) -> tuple[str, str]:
    """Return names for the two halves of a node, none of which is in `used`.

    >>> split_names("n4", {"n4"}), split_names("n4a", {"n4a", "n4b"}), split_names("top", {"top"})
    (('n4a', 'n4b'), ('n4c', 'n4d'), ('top_a', 'top_b'))
    """
    first, second = itertools.islice(_free_names(_family(name), used), 2)
    return first, second


def merged_name(
    first: str, second: str, others: Collection[str], of_parent: Collection[str] = ()
) -> str:
    """Return a name for two merged nodes.

    `others` are the other names of the network, `of_parent` the names of the parent's nodes.

    >>> merged_name("n4a", "n4b", {"n5"}), merged_name("n4a", "n4b", {"n5", "n4c"})
    ('n4', 'n4d')
    >>> merged_name("n4", "n7", {"n5"}), merged_name("top_a", "n7", {"n5"})
    ('n4a', 'top_b')
    """
    family = _family(first)
    whole = family.removesuffix("_")
    is_alone = not any(other.startswith(family) and _family(other) == family for other in others)
    if family == _family(second) and whole not in (*others, first, second) and is_alone:
        return whole
    return next(_free_names(family, {*others, *of_parent, first, second}))


def _family(name: str) -> str:
    """Return the prefix of the names of a node's halves."""
    if match := _MEMBER.fullmatch(name):
        return match[1]
    return name if name[-1] in string.digits + "_" else f"{name}_"


def _free_names(family: str, used: Collection[str]) -> Iterator[str]:
    letters = string.ascii_lowercase
    pairs = itertools.chain(letters, map("".join, itertools.product(letters, repeat=2)))
    return (name for letter in pairs if (name := family + letter) not in used)
