"""Detect lost reference frames of H.264 by the numbers in its frames.

If a frame is lost on the way to the file, as by a network camera, FFmpeg decodes the following
frames from a wrong one and reports nothing: moving parts are smeared until the next key frame.
`frame_num` (ITU-T H.264, 7.4.3) counts reference frames and shows the gap.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

H264 = "h264"

_START = b"\0\0\1"
_SLICES = frozenset({1, 2, 5})
_IDR, _SPS, _PPS = 5, 7, 8
_REFERENCE = 0x60
# Table 7-6; each kind has a second number.
_INTRA_SLICES = frozenset({2, 4})
# Profiles whose sequence parameter sets hold the chroma format and scaling lists.
_HIGH = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 134, 135, 138, 139})
_NO_SET = -1
# A slice header up to frame_num is much shorter.
_SLICE_HEADER = 32


class _EndOfBits(Exception):
    """The data ends before the value that is read."""


@attrs.define
class _Bits:
    """Reader of a NAL unit's bits, without its emulation prevention bytes."""

    value: int
    left: int

    @classmethod
    def of(cls, data: bytes) -> _Bits:
        plain = data.replace(b"\0\0\3", b"\0\0")
        return cls(int.from_bytes(plain), 8 * len(plain))

    def take(self, count: int) -> int:
        """Return the next `count` bits as a number."""
        if count > self.left:
            raise _EndOfBits
        self.left -= count
        return self.value >> self.left & ((1 << count) - 1)

    def golomb(self) -> int:
        """Return the next Exp-Golomb number, without sign (9.1)."""
        rest = self.value & ((1 << self.left) - 1)
        zeros = self.left - rest.bit_length()
        if zeros > 32:
            raise _EndOfBits
        self.take(zeros)
        return self.take(zeros + 1) - 1

    def signed(self) -> int:
        """Return the next Exp-Golomb number with a sign."""
        code = self.golomb()
        return (code + 1) // 2 if code % 2 else -(code // 2)


@attrs.frozen
class _Sequence:
    """Fields of a sequence parameter set (7.3.2.1.1)."""

    number_bits: int
    separate_planes: bool
    gaps_allowed: bool


def _read_sequence(data: bytes) -> tuple[int, _Sequence]:
    bits = _Bits.of(data)
    profile = bits.take(8)
    bits.take(16)
    identity, separate = bits.golomb(), False
    if profile in _HIGH:
        chroma = bits.golomb()
        separate = chroma == 3 and bool(bits.take(1))
        bits.golomb()
        bits.golomb()
        bits.take(1)
        if bits.take(1):
            for number in range(12 if chroma == 3 else 8):
                if bits.take(1):
                    _skip_scaling_list(bits, 16 if number < 6 else 64)
    number_bits = bits.golomb() + 4
    order = bits.golomb()
    if order == 0:
        bits.golomb()
    elif order == 1:
        bits.take(1)
        bits.golomb()
        bits.golomb()
        for _ in range(bits.golomb()):
            bits.golomb()
    bits.golomb()
    return identity, _Sequence(number_bits, separate, bool(bits.take(1)))


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


@attrs.define
class FrameNumbers:
    """The parameter sets of an H.264 stream, and the number of its last reference frame."""

    length_bytes: int
    """Size of the length before each NAL unit; 0 if start codes separate the units."""
    sequences: dict[int, _Sequence] = attrs.field(factory=dict)
    pictures: dict[int, int] = attrs.field(factory=dict)
    latest: int | None = None

    @classmethod
    def of(cls, extradata: bytes | None) -> FrameNumbers:
        """Return the reader of a stream with these parameters in the container's header."""
        extra = extradata or b""
        if len(extra) < 7 or extra[0] != 1:
            numbers = cls(0)
            numbers.has_gap(extra)
            return numbers
        # ISO/IEC 14496-15, 5.3.3.1: two lists of parameter sets, each with its length.
        numbers, place = cls((extra[4] & 3) + 1), 5
        for mask in (31, 255):
            count, place = (extra[place] & mask if place < len(extra) else 0), place + 1
            for _ in range(count):
                size = int.from_bytes(extra[place : place + 2])
                numbers._read_parameters(extra[place + 2 : place + 2 + size])
                place += 2 + size
        return numbers

    def is_intra(self, packet: bytes) -> bool:
        """Return whether the first slice of a packet depends on no other frame.

        FFmpeg also marks the start of a gradual refresh as a key frame. The frames after it are
        complete some time later, but not always equal to those that are decoded from the start.
        """
        bits = _Bits.of(self._first_slice(packet)[1:_SLICE_HEADER])
        try:
            bits.golomb()
            return bits.golomb() % 5 in _INTRA_SLICES
        except _EndOfBits:
            return False

    def has_gap(self, packet: bytes) -> bool:
        """Return whether a reference frame is missing between the last packet and this one."""
        for unit in self._units(packet):
            if not unit:
                continue
            if unit[0] & 31 in _SLICES:
                return self._is_after_gap(unit)
            self._read_parameters(unit)
        return False

    def is_reference(self, packet: bytes) -> bool:
        """Return whether other frames may depend on this one, by `nal_ref_idc` (7.4.1)."""
        first = self._first_slice(packet)
        return not first or bool(first[0] & _REFERENCE)

    def has_frame(self, packet: bytes) -> bool:
        """Return whether a packet has a slice, not only parameters."""
        return bool(self._first_slice(packet))

    def _first_slice(self, packet: bytes) -> bytes:
        slices = (unit for unit in self._units(packet) if unit and unit[0] & 31 in _SLICES)
        return next(slices, b"")

    def _units(self, packet: bytes) -> Iterator[bytes]:
        """Yield the NAL units of a packet; of slices only the start."""
        place = 0 if self.length_bytes else packet.find(_START) + 3
        while self.length_bytes and place + self.length_bytes < len(packet):
            start = place + self.length_bytes
            place = start + int.from_bytes(packet[place:start])
            yield packet[start:place]
        while not self.length_bytes and 3 <= place < len(packet):
            if packet[place] & 31 in _SLICES:
                yield packet[place : place + _SLICE_HEADER]
                return
            end = packet.find(_START, place)
            yield packet[place : end if end >= 0 else len(packet)]
            place = end + 3

    def _read_parameters(self, unit: bytes) -> None:
        kind = unit[0] & 31 if unit else 0
        try:
            if kind == _SPS:
                identity, sequence = _read_sequence(unit[1:])
                self.sequences[identity] = sequence
            elif kind == _PPS:
                bits = _Bits.of(unit[1:])
                identity = bits.golomb()
                self.pictures[identity] = bits.golomb()
        except _EndOfBits:
            pass  # the decoder reports it

    def _is_after_gap(self, unit: bytes) -> bool:
        kind, reference = unit[0] & 31, bool(unit[0] & _REFERENCE)
        bits = _Bits.of(unit[1:_SLICE_HEADER])
        try:
            bits.golomb()
            bits.golomb()
            sequence = self.sequences.get(self.pictures.get(bits.golomb(), _NO_SET))
            if sequence is None:
                return False
            if sequence.separate_planes:
                bits.take(2)
            number = bits.take(sequence.number_bits)
        except _EndOfBits:
            return False
        before, limit = self.latest, 1 << sequence.number_bits
        if reference or kind == _IDR:
            self.latest = number
        if before is None or kind == _IDR or sequence.gaps_allowed:
            return False
        return number not in (before, (before + 1) % limit)
