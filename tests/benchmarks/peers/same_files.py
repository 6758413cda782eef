"""The bare cost of a run's files: ``same_files.py SAMPLE TARGET COUNT`` writes them again."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path


def main() -> None:
    """Every file of the run SAMPLE into a directory each; prints the seconds that one took."""
    sample, target, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    found = sorted(sample.rglob("*"))
    folders = [str(path.relative_to(sample)) for path in found if path.is_dir()]
    files = [(str(p.relative_to(sample)), p.read_bytes()) for p in found if p.is_file()]
    target.mkdir()
    started = time.perf_counter()
    for number in range(count):
        directory = f"{target}/{number}"
        os.mkdir(directory)
        for name in folders:
            os.mkdir(f"{directory}/{name}")
        for name, data in files:
            with open(f"{directory}/{name}", "xb", buffering=0) as file:
                file.write(data)
    sys.stdout.write(f"{(time.perf_counter() - started) / count}\n")


if __name__ == "__main__":
    main()
