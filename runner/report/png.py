"""Numbers as small pictures: PNG with a palette, as a ``data:`` address.

Colours are transparent in the middle of their scale, so that one picture suits light and dark
pages: zero is the page itself.
"""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

STEPS = 31
"""Shades on either side of zero: more would be told apart by nobody, and pack badly."""

POSITIVE = (230, 97, 1)
NEGATIVE = (33, 120, 190)
NOT_FINITE = (128, 128, 128, 255)
CLASSES = (
    *((0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167)),
    *((213, 94, 0), (86, 180, 233), (140, 120, 60), (120, 120, 120)),
)
"""Okabe & Ito's colours, safe for colour-blind readers; the style sheet's --c0 … are the same."""

Palette = list[tuple[int, int, int, int]]


def diverging(values: NDArray[np.floating], limit: float) -> str:
    """(rows, columns) as blue below zero and orange above, full at ``limit``; grey: not finite."""
    with np.errstate(invalid="ignore", over="ignore"):
        shares = np.clip(values / limit if limit > 0 else values * 0, -1, 1)
    finite = np.isfinite(values)
    levels = np.rint(np.where(finite, shares, 0) * STEPS).astype(np.int64) + STEPS
    levels = np.where(finite, levels, 2 * STEPS + 1)
    palette = [(*NEGATIVE, _alpha(STEPS - i, STEPS)) for i in range(STEPS)]
    palette += [(*POSITIVE, _alpha(i, STEPS)) for i in range(STEPS + 1)]
    return _address(levels, [*palette, NOT_FINITE])


def regions(classes: NDArray[np.integer], confidence: NDArray[np.floating]) -> str:
    """(rows, columns) class numbers in their colours, the fuller the more confident (0..1)."""
    steps = 12
    levels = np.rint(np.clip(np.nan_to_num(confidence), 0, 1) * steps).astype(np.int64)
    palette = [
        (*color, 20 + 130 * level // steps) for color in CLASSES for level in range(steps + 1)
    ]
    return _address((classes % len(CLASSES)) * (steps + 1) + levels, palette)


def _alpha(step: int, steps: int) -> int:
    return round(255 * step / steps)


def _address(indices: NDArray[np.integer], palette: Palette) -> str:
    """A picture of palette indices; the first row is at the top."""
    rows, columns = indices.shape
    colors = b"".join(bytes(entry[:3]) for entry in palette)
    alphas = bytes(entry[3] for entry in palette)
    lines = np.zeros((rows, columns + 1), dtype=np.uint8)  # each begins with its filter: none
    lines[:, 1:] = indices
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", colors),
            _chunk(b"tRNS", alphas),
            _chunk(b"IDAT", zlib.compress(lines.tobytes(), 9)),
            _chunk(b"IEND", b""),
        )
    )
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)
