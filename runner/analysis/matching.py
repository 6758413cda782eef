"""Which layer of one run stands beside which of another."""

from __future__ import annotations

from collections.abc import Sequence

from runner.store.layer import Layer

Pair = tuple[Layer | None, Layer | None]

_MOST = 1 << 20  # steps of an alignment; layers that are more than that go by their place


def matched(a: Sequence[Layer], b: Sequence[Layer]) -> list[Pair]:
    """The layers of two runs in pairs, in the order of the data.

    Those of one name are a pair. The others, where they stand between the same ones, are paired
    in order, and where one run has more of them there, by kind before that: a layer that was put
    in stands alone. Exchanging the runs exchanges the pairs' halves and nothing else.
    """
    names = {layer.name for layer in a} & {layer.name for layer in b}
    gaps = _gaps(a, names), _gaps(b, names)
    partner = {layer.name: layer for layer in b if layer.name in names}
    beside = {x.name: partner[x.name] for x in a if x.name in names}
    for before, some in gaps[0].items():
        for x, y in _aligned(some, gaps[1].get(before, [])):
            beside[x.name] = y
    return _in_order(a, b, beside)


def _gaps(layers: Sequence[Layer], names: set[str]) -> dict[str, list[Layer]]:
    """The layers that have no namesake, by the last before them that has."""
    found: dict[str, list[Layer]] = {}
    before = ""
    for layer in layers:
        if layer.name in names:
            before = layer.name
        else:
            found.setdefault(before, []).append(layer)
    return found


def _aligned(a: list[Layer], b: list[Layer]) -> list[tuple[Layer, Layer]]:
    if len(a) == len(b) or not a or not b or len(a) * len(b) > _MOST:
        return list(zip(a, b, strict=False))
    if len(a) > len(b):
        return [(x, y) for y, x in _aligned(b, a)]
    found: list[tuple[Layer, Layer]] = []
    start_a = start_b = 0
    for i, j in [*_of_one_kind(a, b), (len(a), len(b))]:
        found += zip(a[start_a:i], b[start_b:j], strict=False)
        if i < len(a):
            found.append((a[i], b[j]))
        start_a, start_b = i + 1, j + 1
    return found


def _of_one_kind(short: Sequence[Layer], long: Sequence[Layer]) -> list[tuple[int, int]]:
    """The longest common subsequence of kinds, as places in both; the earliest of several."""
    rows, columns = len(short), len(long)
    longest = [[0] * (columns + 1) for _ in range(rows + 1)]
    for i in reversed(range(rows)):
        for j in reversed(range(columns)):
            same = short[i].kind == long[j].kind
            here = longest[i + 1][j + 1] + 1 if same else 0
            longest[i][j] = max(here, longest[i + 1][j], longest[i][j + 1])
    found = []
    i = j = 0
    while i < rows and j < columns:
        if short[i].kind == long[j].kind and longest[i][j] == longest[i + 1][j + 1] + 1:
            found.append((i, j))
            i, j = i + 1, j + 1
        elif longest[i][j] == longest[i][j + 1]:
            j += 1
        else:
            i += 1
    return found


def _in_order(a: Sequence[Layer], b: Sequence[Layer], beside: dict[str, Layer]) -> list[Pair]:
    """The pairs in A's order, with B's own layers before the pair that they come before in B."""
    taken = {layer.name for layer in beside.values()}
    pairs: list[Pair] = []
    at = 0
    for x in a:
        y = beside.get(x.name)
        if y is not None:
            while at < len(b) and b[at].position < y.position:
                pairs += [(None, b[at])] if b[at].name not in taken else []
                at += 1
        pairs.append((x, y))
    pairs += [(None, y) for y in b[at:] if y.name not in taken]
    return pairs
