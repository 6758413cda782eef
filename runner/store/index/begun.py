"""What a run that is not committed was begun with."""

from __future__ import annotations

from pathlib import Path

from runner.store.files import read_file

_FILE = ".hydra/overrides.yaml"
_LONGEST = 1 << 16  # bytes, of a file that nobody has summed yet


def overrides_in(directory: Path) -> list[str]:
    """Its overrides as Hydra wrote them; none where it hadn't come so far."""
    try:
        data = read_file(directory / _FILE)
    except OSError:
        return []
    if not data or len(data) > _LONGEST:
        return []
    import yaml  # a folder of runs that have ended does without

    try:
        # The words alone: what is nested, or tagged, is never made.
        events = yaml.parse(
            data.decode("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        )
        return [event.value for event in events if isinstance(event, yaml.ScalarEvent)]
    except (yaml.YAMLError, ValueError):
        return []
