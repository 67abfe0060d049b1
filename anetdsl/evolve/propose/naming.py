"""Names for what is split and merged: the family's name, and a letter.

The halves of `n4` are `n4a` and `n4b`; those of `n4a` are the next free two, `n4c` and `n4d`. So a
name stays short however often its block was split. What is merged goes back to `n4` where nothing
else of the family is left.
"""

from __future__ import annotations

import itertools
import re
import string
from collections.abc import Collection, Iterator

_MEMBER = re.compile(r"(.*[0-9_])([a-z]{1,2})")


def split_names(name: str, taken: Collection[str]) -> tuple[str, str]:
    """Names for the two halves of a node.

    >>> split_names("n4", {"n4"}), split_names("n4a", {"n4a", "n4b"}), split_names("top", {"top"})
    (('n4a', 'n4b'), ('n4c', 'n4d'), ('top_a', 'top_b'))
    """
    first, second = itertools.islice(_free(_family(name), taken), 2)
    return first, second


def merged_name(
    first: str, second: str, others: Collection[str], known: Collection[str] = ()
) -> str:
    """A name for two nodes as one, where `others` are there and `known` were in the parent.

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
    return next(_free(family, {*others, *known, first, second}))


def _family(name: str) -> str:
    """What the names of a node's halves start with."""
    if match := _MEMBER.fullmatch(name):
        return match[1]
    return name if name[-1] in string.digits + "_" else f"{name}_"


def _free(family: str, taken: Collection[str]) -> Iterator[str]:
    letters = string.ascii_lowercase
    pairs = itertools.chain(letters, map("".join, itertools.product(letters, repeat=2)))
    return (name for letter in pairs if (name := family + letter) not in taken)
