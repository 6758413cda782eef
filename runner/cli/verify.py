"""``verify``: reads every byte back."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from runner import console
from runner.cli.ls import ROOT
from runner.cli.printing import as_json
from runner.errors import UsageError


def arguments(parser: ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument(
        "path",
        metavar="PATH",
        nargs="?",
        default=str(ROOT),
        help="a run, a sweep or a folder of them; outputs otherwise",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def do(args: Namespace) -> int:
    """Prints what it finds; 1 if that is anything."""
    from runner.store import resolve
    from runner.store.verify import verify

    if not args.path:
        raise UsageError("verify: '' is no path; leave it out for outputs")
    path = Path(args.path) if os.path.exists(args.path) else resolve(args.path)
    findings = verify(path)
    if args.json:
        console.out(as_json([{"path": str(f.path), "problem": f.problem} for f in findings]))
    else:
        for finding in findings:
            console.out(console.safe_line(str(finding)))
        if not findings:
            console.out(f"{path}: every byte is as it was written")
    return 1 if findings else 0
