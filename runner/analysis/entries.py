"""Which entry of the configuration a layer comes from."""

from __future__ import annotations

from collections.abc import Collection


def entry_of(name: str, entries: Collection[str]) -> str | None:
    """The entry under ``layers`` that a layer comes from: a block's name begins its layers'."""
    if name in entries:
        return name
    blocks = [entry for entry in entries if name.startswith(f"{entry}_")]
    return max(blocks, key=len, default=None)
