"""What a sweep is made of, in the file that it begins with."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.errors import DamagedError, NotFoundError, unreadable
from runner.store import layout
from runner.store.files import read_file
from runner.store.sweeps import seals

SPEC_FILE = ".sweep.json"
FACT_SWEEP_ID = "sweep_id"
FACT_SEAL = "seal"


def read_spec(sweep: Path) -> dict[str, Any]:
    """What a sweep is made of, as it was claimed.

    Raises:
        NotFoundError: the directory is no sweep of our sweeper's.
        DamagedError: the file is not what was written.
        RunnerError: its layout is newer than this program.
    """
    path = sweep / SPEC_FILE
    try:
        data = read_file(path)
        spec = json.loads(data)
    except FileNotFoundError:
        hint = f"there is no {SPEC_FILE} in it, so it is no sweep that can be taken up again"
        raise NotFoundError("sweep", str(sweep), (), hint=hint) from None
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, RecursionError) as error:
        raise DamagedError(path, "is not what was written") from error
    if not isinstance(spec, dict):
        raise DamagedError(path, "is not what was written")
    layout.check_version(path, str(spec.get(layout.FACT_VERSION, "")))
    seals.check(path, data)
    return spec


def spec_text(spec: Mapping[str, Any]) -> str:
    """The text of the file that a sweep begins with; gives the sweep its id."""
    named = {**spec, FACT_SWEEP_ID: secrets.token_hex(8), FACT_SEAL: seals.BLANK}
    text = json.dumps(named, ensure_ascii=False, indent=1) + "\n"
    data = text.encode("utf-8", "backslashreplace")
    return seals.sealed(data).decode()


def sweep_id(sweep: Path) -> str:
    """What the sweep's files know each other by; empty where it is another sweeper's.

    Raises:
        DamagedError: the file that has it is not what was written.
    """
    try:
        return str(read_spec(sweep).get(FACT_SWEEP_ID, ""))
    except NotFoundError:
        return ""
