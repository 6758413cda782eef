"""``python -m tests.fuzz --seconds N``: atheris on every target, or on one; 1 if it found a bug.

Each target has a process of its own. What broke it is left in ``fuzz-TARGET-…`` in the current
folder, and is tried again by ``python -m tests.fuzz --only TARGET --again FILE``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from importlib.util import find_spec
from pathlib import Path

NAMES = ("overrides", "yaml", "table", "verb", "stored")
LIMITS = ("-timeout=60", "-rss_limit_mb=3000", "-max_len=20000", "-print_final_stats=1")


def main() -> int:
    if find_spec("atheris") is None:
        sys.stderr.write("needs atheris: pip install atheris\n")
        return 2
    parser = ArgumentParser(prog="python -m tests.fuzz", description="Feeds the program anything.")
    parser.add_argument("--seconds", type=int, default=600, help="altogether")
    parser.add_argument("--only", choices=NAMES, help="one target")
    parser.add_argument("--again", type=Path, metavar="FILE", help="an input that broke it")
    parser.add_argument("--inside", action="store_true", help="(the process of a target)")
    args = parser.parse_args()
    if args.again is not None:
        return _again(args.only, args.again)
    if args.inside:
        return _fuzz(args.only, args.seconds)
    names = [args.only] if args.only else NAMES
    broken = []
    for name in names:
        share = str(max(1, args.seconds // len(names)))
        command = [
            sys.executable,
            "-m",
            "tests.fuzz",
            "--inside",
            "--only",
            name,
            "--seconds",
            share,
        ]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        told = [line for line in done.stderr.splitlines() if "number_of_executed" in line]
        count = told[0].split()[-1] if told else "?"
        _say(f"{name}: {count} inputs, {'a bug' if done.returncode else 'no bug'}")
        if done.returncode:
            _say(done.stdout[-2000:] + done.stderr[-4000:])
            broken.append(name)
    return 1 if broken else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _fuzz(name: str, seconds: int) -> int:
    import atheris

    with atheris.instrument_imports(include=["runner"]):
        from tests.fuzz import seeds
        from tests.fuzz.targets import TARGETS

    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    seeds.make(folder)
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds.seeds(name, folder)):
        (corpus / str(number)).write_bytes(seed)
    words = folder / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in seeds.WORDS), "ascii")
    options = [f"-max_total_time={seconds}", f"-dict={words}", f"-artifact_prefix=fuzz-{name}-"]
    target = TARGETS[name]
    arguments = ["fuzz", *LIMITS, *options, str(corpus)]
    atheris.Setup(arguments, lambda given: target(given, folder))
    atheris.Fuzz()
    return 0


def _again(name: str | None, path: Path) -> int:
    from tests.fuzz import seeds
    from tests.fuzz.targets import TARGETS

    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    seeds.make(folder)
    TARGETS[name or "overrides"](path.read_bytes(), folder)
    return 0


def _escaped(word: str) -> str:
    return "".join(c if c.isalnum() or c in "_.:=- /" else f"\\x{ord(c):02x}" for c in word)


if __name__ == "__main__":
    sys.exit(main())
