"""A sweep as one would write it by hand: ``by_hand.py [--fsync] SAMPLE TARGET COUNT``.

A loop with numpy and pyarrow that writes the same files as we do: what stays the same in all of
them (names, types, the texts of Hydra, the facts about the machine) it has from the run SAMPLE.
There is no claim, no staging, no commit; a run that is killed leaves half of its files.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.benchmarks.peers.two_layers import LAYERS, draw, forward, print_seconds

HYDRA = ("config.yaml", "hydra.yaml", "overrides.yaml")
PARQUET = ("inputs", "layers/00-dense1", "layers/01-dense2", "parameters", "layers", "run")


class Loop:
    """Writes runs that look like another one.

    Args:
        sample: a run whose directory is its seed, by its absolute path.
        target: a directory, made here.
        fsync: wait for every file and directory to be on disk.
    """

    def __init__(self, sample: Path, target: Path, *, fsync: bool) -> None:
        self.sample, self.target, self.fsync = sample, target, fsync
        self.number = sample.name
        tables = {name: pq.ParquetFile(sample / f"{name}.parquet").read() for name in PARQUET}
        self.schemas = {name: table.schema for name, table in tables.items()}
        self.row: dict[str, Any] = tables["run"].to_pylist()[0]
        self.rows: list[dict[str, Any]] = tables["layers"].to_pylist()
        self.texts = {name: (sample / ".hydra" / name).read_text("utf-8") for name in HYDRA}
        target.mkdir()

    def run(self, seed: int) -> None:
        """One run, into a directory named after its seed."""
        started, run_id = datetime.now(UTC), secrets.token_hex(8)
        directory = self.target / str(seed)
        for folder in (directory, directory / ".hydra", directory / "layers"):
            folder.mkdir()
        sums: dict[str, str] = {}

        def put(name: str, data: Any) -> int:
            with open(directory / name, "xb") as file:
                file.write(data)
                if self.fsync:
                    file.flush()
                    os.fsync(file.fileno())
            sums[name] = hashlib.sha256(data).hexdigest()
            return len(data)

        for name, text in self.texts.items():
            put(f".hydra/{name}", self.renamed(text, directory, seed).encode())
        inputs, targets, layers = draw(seed)
        put("inputs.parquet", self.parquet("inputs", run_id, [*inputs.T, targets]))
        put("parameters.parquet", self.parameters(run_id, layers))
        lines = [f"run {run_id} of {' '.join(self.overrides(seed))}"]
        rows, outputs = [], inputs
        for row, (weights, biases) in zip(self.rows, layers, strict=True):
            clock = time.perf_counter()
            outputs = forward(outputs, weights, biases)
            seconds = time.perf_counter() - clock
            size = put(row["path"], self.parquet(row["path"][:-8], run_id, outputs.T))
            rows.append({**row, **described(outputs), "bytes": size, "seconds": seconds})
            lines.append("layer {position} {name}: mean {mean:g}, std {std:g}".format(**rows[-1]))
        put("layers.parquet", self.parquet("layers", run_id, rows))
        put("runner.log", "".join(logged(line) for line in lines).encode())
        config = self.row["config"].replace(f'"seed": {self.number}', f'"seed": {seed}')
        record = {
            **self.row,
            "run_id": run_id,
            "start_time": started,
            "end_time": datetime.now(UTC),
            "overrides": self.overrides(seed),
            "config": config,
            "config_hash": hashlib.sha256(config.encode()).hexdigest(),
            "digest": digest("".join(f"{row['digest']}\n" for row in rows)),
            "params.seeds.seed": seed,
            "inputs.digest": digest("inputs", inputs, targets),
        }
        put("run.parquet", self.parquet("run", run_id, [record]))
        put("SHA256SUMS", "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode())
        if self.fsync:
            for folder in (directory / ".hydra", directory / "layers", directory, self.target):
                sync(folder)

    def check(self) -> None:
        """Compares the run that has the sample's seed with the sample."""
        again = self.target / self.number
        names = [sorted(str(p.relative_to(r)) for p in r.rglob("*")) for r in (self.sample, again)]
        digest = pq.ParquetFile(again / "run.parquet").read(["digest"]).to_pylist()[0]["digest"]
        if names[0] != names[1] or digest != self.row["digest"]:
            raise RuntimeError(f"{again} is not what {self.sample} is")

    def parameters(self, run_id: str, layers: list[tuple[Any, Any]]) -> Any:
        """The file of all weights and biases, a row each."""
        rows = [
            {"layer": layer, "name": name, "shape": array.shape, "values": array.ravel()}
            for layer, arrays in zip(LAYERS, layers, strict=True)
            for name, array in zip(("weights", "biases"), arrays, strict=True)
        ]
        return self.parquet("parameters", run_id, rows)

    def parquet(self, name: str, run_id: str, content: Any) -> Any:
        """The bytes of a parquet file, of rows as mappings or of columns as arrays."""
        schema = self.schemas[name]
        schema = schema.with_metadata({**schema.metadata, b"run_id": run_id.encode()})
        if isinstance(content[0], dict):
            table = pa.Table.from_pylist(content, schema=schema)
        else:
            columns = [pa.array(np.ascontiguousarray(column)) for column in content]
            table = pa.Table.from_arrays(columns, schema=schema)
        sink = pa.BufferOutputStream()
        pq.write_table(
            table,
            sink,
            compression="none",
            use_dictionary=False,
            write_statistics=False,
            write_page_checksum=True,
        )
        return sink.getvalue()

    def overrides(self, seed: int) -> list[str]:
        """The sample's, with another seed."""
        old = f"seeds.seed={self.number}"
        return [f"seeds.seed={seed}" if t == old else t for t in self.row["overrides"]]

    def renamed(self, text: str, directory: Path, seed: int) -> str:
        """The text of a configuration, with another seed and place."""
        for key in ("seed: ", "seeds.seed=", "num: ", "id: "):
            text = text.replace(f"{key}{self.number}\n", f"{key}{seed}\n")
        return text.replace(str(self.sample), str(directory.absolute()))


def described(outputs: Any) -> dict[str, Any]:
    """What the table of layers says of their outputs."""
    return {
        "mean": float(outputs.mean(dtype="f8")),
        "std": float(outputs.std(dtype="f8")),
        "min": float(outputs.min()),
        "max": float(outputs.max()),
        "zero_fraction": int(np.count_nonzero(outputs == 0)) / outputs.size,
        "nonfinite_count": outputs.size - int(np.count_nonzero(np.isfinite(outputs))),
        "digest": digest(f"{outputs.dtype} {len(outputs)} {outputs.shape[1]}\n", outputs),
    }


def digest(head: str, *arrays: Any) -> str:
    """SHA-256 of a text and the arrays' bytes."""
    found = hashlib.sha256(head.encode())
    for array in arrays:
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def logged(line: str) -> str:
    """A line of the log."""
    now = datetime.now()  # noqa: DTZ005 - local time, as logging has it
    return f"[{now:%Y-%m-%d %H:%M:%S},{now.microsecond // 1000:03d}][runner][INFO] - {line}\n"


def sync(folder: Path) -> None:
    """Waits until a directory's entries are on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def main() -> None:
    """As many runs as asked for; prints the seconds that one took."""
    *options, sample, target, count = sys.argv[1:]
    loop = Loop(Path(sample), Path(target), fsync="--fsync" in options)
    print_seconds(loop.run, int(count))
    loop.check()


if __name__ == "__main__":
    main()
