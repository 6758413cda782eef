"""The program in a process forked from this one, which has everything imported: 20 a second."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Child:
    """A program that is running, in a session of its own.

    Attributes:
        pid: of the process, and of its session and its group.
        out, err: the files that it prints to.
        code: its exit code, negative for a signal; None as long as it runs.
    """

    pid: int
    out: Path
    err: Path
    gate: int
    code: int | None = None

    def open_gate(self) -> None:
        """Lets it begin, where it was held."""
        os.write(self.gate, b"go")
        os.close(self.gate)

    def wait(self, seconds: float = 60) -> int:
        """Its exit code; it is killed when it takes too long."""
        deadline = time.monotonic() + seconds
        pause = 0.001
        while self.poll() is None:
            if time.monotonic() > deadline:
                self.kill()
                raise TimeoutError(f"not over after {seconds} s: {self.told()[1][-500:]}")
            time.sleep(pause)
            pause = min(2 * pause, 0.02)
        assert self.code is not None
        return self.code

    def poll(self) -> int | None:
        """Its exit code, if it has ended."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def kill(self, *, group: bool = True) -> None:
        """Kills it, with everything it has started or alone."""
        try:
            if group:
                os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:  # it has not come as far as to have a group
            pass
        os.kill(self.pid, signal.SIGKILL)
        self.wait(10)

    def told(self) -> tuple[str, str]:
        """What it has printed: stdout and stderr."""
        return self.out.read_text(), self.err.read_text()

    def printed(self) -> list[Path]:
        """The directories it has told of."""
        return [Path(line) for line in self.told()[0].splitlines() if line.startswith("/")]


def start(
    arguments: Sequence[str], folder: Path, *, held: bool = False, beside: Path | None = None
) -> Child:
    """``python -m runner ARGUMENTS`` in ``folder``.

    Args:
        arguments: of the program.
        folder: where it stands.
        held: it waits for :meth:`Child.open_gate`.
        beside: where what it prints goes, with a suffix; None: beside the folder.
    """
    from runner.__main__ import main

    folder.mkdir(parents=True, exist_ok=True)
    beside = beside or folder
    out, err = (beside.with_name(f"{beside.name}.{name}") for name in ("out", "err"))
    gate, opens = os.pipe()
    arrival, arrives = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            os.setsid()
            os.close(opens)
            os.chdir(folder)
            for number, path in ((1, out), (2, err)):
                file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
                os.dup2(file, number)
                os.close(file)
            if held:
                os.write(arrives, b"here")
                os.read(gate, 2)
            os.close(gate)
            code = _to_the_end(lambda: main(arguments))
        finally:
            os._exit(code)
    os.close(gate)
    os.close(arrives)
    if held:
        # What it does before the gate is this harness's, and nobody may look at it yet.
        os.read(arrival, 4)
    else:
        os.close(opens)
    os.close(arrival)
    return Child(pid, out, err, opens)


def _to_the_end(do: Callable[[], int]) -> int:
    """What the interpreter does around a program."""
    try:
        code = do()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001 - as the interpreter shows it
        traceback.print_exc()
        code = 1
    try:
        sys.stdout.flush()
    except OSError:
        code = 120
    return code


def warm() -> None:
    """Loads what a run, a sweep and the verbs load, so that the children need not."""
    import tempfile

    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    with tempfile.TemporaryDirectory() as folder:
        from runner.__main__ import main

        here, kept = os.getcwd(), [os.dup(number) for number in (1, 2)]
        os.chdir(folder)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            for number in (1, 2):
                os.dup2(nowhere, number)
            for arguments in (["layers=one_dense"], ["-m", "seeds.seed=1,2,3"], ["ls", "--clean"]):
                main(arguments)
                sys.stdout.flush()
        finally:
            for number, old in zip((1, 2), kept, strict=True):
                os.dup2(old, number)
                os.close(old)
            os.close(nowhere)
            os.chdir(here)
    for each, handler in before.items():
        signal.signal(each, handler)


def members(session: int) -> list[int]:
    """The processes of a session that live."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] not in "ZX":
            found.append(int(stat.parent.name))
    return found


def doing(pid: int) -> str:
    """What a process is at, as the system tells it."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
        status = Path(f"/proc/{pid}/status").read_text("utf-8", "replace")
    except OSError:
        return "gone by now"
    wanted = ("State:", "PPid:")
    facts = [line for line in status.splitlines() if line.startswith(wanted)]
    return "; ".join([command.decode("utf-8", "replace")[-150:], *facts])


def outlived(session: int, seconds: float = 2.0) -> list[int]:
    """The processes of a session that are still there so long after its leader was killed."""
    deadline = time.monotonic() + seconds
    while (left := members(session)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left
