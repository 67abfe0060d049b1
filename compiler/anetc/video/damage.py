"""Find damage in a file's structure: truncation, lost packets, and a second recording.

MP4 and AVI have an index or a count, Matroska and FLV a duration, and FFmpeg marks a truncated
packet. MPEG streams and ASF do not contain their length: if such a file is cut between two
frames, the damage cannot be detected.
"""

from __future__ import annotations

import attrs

from anetc.video.structure import JOINED, MATROSKA, MP4, TRUNCATED, Structure
from anetc.video.timeline import AVI


def advice_for(damage: str) -> str:
    """Return what a user can do about a damaged file."""
    return "remux it" if damage == JOINED else "re-encode or remove it"


@attrs.frozen
class Claims:
    """Contents that a file states, and the contents that were found.

    `indexed` is the number of packets in the index, `declared` the number of frames in the header,
    `duration` in seconds, or 0. `packets` were found, the last one ends at `end` seconds; `reached`
    is the number of the last time step of an AVI file, plus 1.
    """

    container: str
    rate: float
    indexed: int
    declared: int
    duration: float
    packets: int
    reached: int
    end: float


def structural_damage(structure: Structure, claims: Claims) -> tuple[str | None, int | None]:
    """Compare the packets with the header: return the damage and the expected number of frames."""
    expected = claims.declared or round(claims.duration * claims.rate) or None
    if structure.damage:
        return structure.damage, expected
    # The count of the header does not serve: an edit list may exclude samples.
    if claims.container == MP4 and claims.indexed > claims.packets:
        return TRUNCATED, claims.indexed
    if claims.container == AVI and claims.declared:
        # FFmpeg reports no error here. With an index, missing frames were dropped on purpose. A
        # truncated file has lost its index; then the header's count, in ticks, is compared.
        complete = claims.indexed == claims.packets > 1
        if claims.indexed > claims.packets or (claims.reached < claims.declared and not complete):
            return TRUNCATED, claims.declared
    # Headers are rounded up a little.
    least = claims.duration - 2 / claims.rate - 0.1
    if claims.container in (MATROSKA, "flv") and claims.end < least:
        return TRUNCATED, expected
    return None, None
