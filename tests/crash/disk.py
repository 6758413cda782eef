"""A disk that keeps no more than it was made to: what was recorded of a program, replayed.

The model is harsher than the file systems in use: until a file or a directory is synced itself,
each write, each new name, each removal and each renaming (into a directory) may be on disk or not,
whatever the order they were made in. Only a renaming is one thing: never half of it is there.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash import strace

_LINE = re.compile(r"(\d+) +(?:<\.\.\. )?(\w+)(?:\(| resumed>)(.*)")
_TEXT = re.compile(r'(?:(AT_FDCWD|\d+)<((?:\\x[0-9a-f]{2})*)>)|"((?:\\x[0-9a-f]{2})*)"')
_ENDED = re.compile(r"(.*)\) += (.*)")
_TORN = " <unfinished ...>"


@dataclass
class Inode:
    """A file, a link or a directory."""

    kind: str
    target: bytes = b""


@dataclass
class Operation:
    """One change, and whether it is on disk for good by a moment.

    Attributes:
        at: when it was made, a number of the record.
        kind: add, del, move, data or size.
        folder: whose sync makes it last; of data and size, the file.
        durable: when it was made to last; None: never.
    """

    at: int
    kind: str
    folder: Inode
    name: str = ""
    inode: Inode | None = None
    source: tuple[Inode, str] | None = None
    offset: int = 0
    data: bytes = b""
    durable: int | None = None


@dataclass
class Record:
    """What a program did to the files below a folder.

    Attributes:
        root: of the folder.
        operations: in order.
        told: when something was printed, and what.
        end: of the record.
    """

    root: Inode
    operations: list[Operation]
    told: list[tuple[int, bytes]]
    end: int


def calls(log: str) -> Iterator[tuple[str, str, str, str]]:
    """Process, name, arguments and result of every call of a log of strace, as they ended."""
    begun: dict[str, str] = {}
    for line in log.splitlines():
        found = _LINE.match(line)
        if not found:
            continue
        process, name, rest = found.groups()
        if rest.endswith(_TORN):
            begun[process] = rest.removesuffix(_TORN)
            continue
        if "resumed>" in line:
            if process not in begun:
                continue  # by a thread that its process was replaced from
            rest = begun.pop(process) + rest
        ended = _ENDED.fullmatch(rest)
        if ended:
            yield process, name, ended[1], ended[2]


@dataclass
class _Recorder:
    """Follows names and files as the program sees them."""

    folder: Path
    root: Inode = field(default_factory=lambda: Inode("folder"))
    live: dict[str, Inode] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    told: list[tuple[int, bytes]] = field(default_factory=list)
    now: int = 0

    def take(self, name: str, arguments: str, result: str, out: str) -> None:
        self.now += 1
        if result.startswith("-1"):
            return
        texts, paths, handle = self._arguments(arguments)
        do: dict[tuple[str, ...], Callable[[], None]] = {
            strace.OPEN: lambda: self._open(paths[0], arguments, result),
            strace.WRITE: lambda: self._write(handle, texts[0], out),
            ("fsync", "fdatasync"): lambda: self._sync(handle),
            ("syncfs",): self._sync_all,
            strace.MAKE: lambda: self._add(paths[0], Inode("folder")),
            strace.RENAME: lambda: self._move(paths[0], paths[1]),
            strace.TAKE: lambda: self._del(paths[0]),
            ("symlink", "symlinkat"): lambda: self._add(paths[-1], Inode("link", texts[0])),
            ("link", "linkat"): lambda: self._link(handle, paths),
            strace.CUT: lambda: self._cut(
                paths[0] if texts else handle, int(arguments.rpartition(", ")[2])
            ),
        }
        next(act for names, act in do.items() if name in names)()

    def _arguments(self, arguments: str) -> tuple[list[bytes], list[str], str]:
        """Texts as they are; the same as paths; what the first descriptor is."""
        texts, paths, base, handle = [], [], os.fsencode(self.folder), ""
        for number, place, text in _TEXT.findall(arguments):
            if number:
                base = _bytes(place)
                handle = handle or os.fsdecode(base)
            else:
                texts.append(_bytes(text))
                paths.append(os.fsdecode(os.path.normpath(os.path.join(base, _bytes(text)))))
        return texts, paths, handle

    def _open(self, path: str, arguments: str, result: str) -> None:
        place = result.partition("<")[2].rpartition(">")[0]
        if not self._ours(path) or "O_DIRECTORY" in arguments.replace("O_TMPFILE", ""):
            return
        if "O_TMPFILE" in arguments:
            self.live[os.fsdecode(_bytes(place))] = Inode("file")
        elif "O_CREAT" in arguments and path not in self.live:
            self._add(path, Inode("file"))
        elif "O_TRUNC" in arguments:
            self._cut(path, 0)

    def _write(self, path: str, data: bytes, out: str) -> None:
        if path == out:
            self.told.append((self.now, data))
        inode = self.live.get(path)
        if inode is not None:
            at = self.sizes.get(id(inode), 0)  # nobody here writes but at the end
            self.sizes[id(inode)] = at + len(data)
            self.operations.append(Operation(self.now, "data", inode, offset=at, data=data))

    def _cut(self, path: str, size: int) -> None:
        inode = self.live.get(path)
        if inode is not None:
            self.sizes[id(inode)] = size
            self.operations.append(Operation(self.now, "size", inode, offset=size))

    def _sync(self, path: str) -> None:
        inode = self.root if path == str(self.folder) else self.live.get(path)
        for operation in self.operations:
            if operation.folder is inode:
                operation.durable = operation.durable or self.now

    def _sync_all(self) -> None:
        for operation in self.operations:
            operation.durable = operation.durable or self.now

    def _link(self, handle: str, paths: list[str]) -> None:
        # A file without a name gets one by that of its descriptor, which is given as well.
        source = handle if paths[0].startswith("/proc/self/fd/") else paths[0]
        if source in self.live:
            self._add(paths[1], self.live[source])

    def _add(self, path: str, inode: Inode) -> None:
        if self._ours(path):
            folder, name = self._parent(path)
            self.live[path] = inode
            self.operations.append(Operation(self.now, "add", folder, name, inode))

    def _del(self, path: str) -> None:
        if path in self.live:
            folder, name = self._parent(path)
            del self.live[path]
            self.operations.append(Operation(self.now, "del", folder, name))

    def _move(self, source: str, target: str) -> None:
        if source not in self.live:
            return
        (old, old_name), (new, new_name) = self._parent(source), self._parent(target)
        for path in [p for p in self.live if p == source or p.startswith(f"{source}/")]:
            self.live[target + path[len(source) :]] = self.live.pop(path)
        self.operations.append(
            Operation(self.now, "move", new, new_name, self.live[target], (old, old_name))
        )

    def _parent(self, path: str) -> tuple[Inode, str]:
        folder, _, name = path.rpartition("/")
        return (self.root if folder == str(self.folder) else self.live[folder]), name

    def _ours(self, path: str) -> bool:
        return path.startswith(f"{self.folder}/")


def record(log: str, folder: Path, out: Path) -> Record:
    """Reads a log of strace (``-f -y -xx``) of a program that began with an empty folder.

    Args:
        log: the text.
        folder: whose files are followed.
        out: the file that was its stdout.
    """
    recorder = _Recorder(folder)
    for _, name, arguments, result in calls(log):
        recorder.take(name, arguments, result, str(out))
    return Record(recorder.root, recorder.operations, recorder.told, recorder.now)


def survivors(record: Record, moment: int, dice: random.Random, share: float) -> list[Operation]:
    """What is on disk when the power goes: all that was synced, and a share of the rest."""
    kept = []
    for operation in record.operations:
        if operation.at > moment:
            break
        if operation.durable is not None and operation.durable <= moment:
            kept.append(operation)
        elif dice.random() < share:
            kept.append(_torn(operation, dice) if dice.random() < 0.3 else operation)
    return kept


def _torn(operation: Operation, dice: random.Random) -> Operation:
    """A part of a write: its beginning, or zeros in the place of it."""
    if operation.kind != "data":
        return operation
    length = dice.randrange(len(operation.data) + 1)
    data = operation.data[:length]
    if dice.random() < 0.5:
        data += bytes(len(operation.data) - length)
    return Operation(operation.at, "data", operation.folder, offset=operation.offset, data=data)


def materialise(root: Inode, operations: Sequence[Operation], folder: Path) -> None:
    """Makes the files that these operations leave."""
    entries: dict[int, dict[str, Inode]] = {}
    contents: dict[int, bytearray] = {}
    for operation in operations:
        here = entries.setdefault(id(operation.folder), {})
        content = contents.setdefault(id(operation.folder), bytearray())
        if operation.kind == "data":
            content.extend(bytes(max(0, operation.offset - len(content))))
            content[operation.offset : operation.offset + len(operation.data)] = operation.data
        elif operation.kind == "size":
            del content[operation.offset :]
        elif operation.kind == "del":
            here.pop(operation.name, None)
        else:
            assert operation.inode is not None
            if operation.source is not None:
                place, name = operation.source
                there = entries.setdefault(id(place), {})
                if there.get(name) is operation.inode:
                    del there[name]
            here[operation.name] = operation.inode
    _write(root, folder, entries, contents)


def _write(
    inode: Inode,
    path: Path,
    entries: dict[int, dict[str, Inode]],
    contents: dict[int, bytearray],
) -> None:
    if inode.kind == "link":
        os.symlink(inode.target, path)
    elif inode.kind == "file":
        path.write_bytes(contents.get(id(inode), b""))
    else:
        path.mkdir()
        for name, inside in entries.get(id(inode), {}).items():
            _write(inside, path / name, entries, contents)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
