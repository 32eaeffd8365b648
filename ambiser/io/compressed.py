"""Encodes and decodes Kaldi's two-byte matrices (CM2): half the size of float32, one scale per matrix.

A value is stored as one of 65,536 equal steps from the smallest to the largest value of its matrix, so its error is at
most half a step.
"""

import struct
from dataclasses import dataclass

import numpy as np

_STEPS = 65535.0
_HEADER = struct.Struct("<5s1xffii")  # "\0BCM2", a blank, minimum, range, rows, columns
HEADER_BYTES = _HEADER.size


@dataclass(frozen=True)
class Compressed:
    """A compressed matrix, decoded on demand.

    Attributes:
        codes: (rows, columns) uint16, the steps.
        minimum: the smallest value.
        span: largest minus smallest value.
    """

    codes: np.ndarray
    minimum: float
    span: float

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        return self.codes.shape

    def decode(self) -> np.ndarray:
        """Returns the values, (rows, columns) float32."""
        values = self.codes.astype(np.float32)
        values *= np.float32(self.span)
        values /= np.float32(_STEPS)
        values += np.float32(self.minimum)
        return values

    def header(self) -> bytes:
        """Returns the bytes before the codes in an ark."""
        return b"\0BCM2 " + struct.pack("<ffii", self.minimum, self.span, *self.shape)


def compress(matrix: np.ndarray) -> Compressed:
    """Returns the two-byte form of a finite (rows, columns) matrix."""
    minimum, largest = float(np.float32(matrix.min())), float(matrix.max())
    # A constant matrix has no range; Kaldi writes any positive one, and code 0 decodes to the minimum exactly.
    span = float(np.float32(largest - minimum if largest > minimum else 1.0 + abs(minimum)))
    # In float64: in float32 the rounding error would reach a step.
    steps = np.rint((matrix.astype(np.float64) - minimum) * (_STEPS / span))
    return Compressed(np.clip(steps, 0, _STEPS).astype("<u2"), minimum, span)


def parse_header(head: bytes) -> tuple[float, float, int, int]:
    """Returns minimum, span, rows and columns from the first HEADER_BYTES of a compressed matrix."""
    return _HEADER.unpack(head)[1:]
