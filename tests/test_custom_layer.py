"""A class of the reader's: the book's bits, what it may do, and what its failure leaves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import runner
from runner.store import Run
from tests.conftest import BOOK_LAYER, Program
from tests.warm import Warm

SCRIPT = """
import sys
import numpy as np
import nnfs
from nnfs.datasets import spiral_data
from book import Layer_Dense

nnfs.init()
X, y = spiral_data(samples=1700, classes=3)
dense1 = Layer_Dense(2, 64)
dense2 = Layer_Dense(64, 3)
dense1.forward(X)
dense2.forward(dense1.output)
np.savez(sys.argv[1], dense1=dense1.output, dense2=dense2.output, weights=dense2.weights)
"""
"""The book's script, with the layers in the order in which the book makes them."""

MORE = """
import numpy as np

class Returns:
    def __init__(self, n_inputs, n_neurons):
        self.weights = 0.1 * np.random.randn(n_inputs, n_neurons)

    def forward(self, inputs):
        return np.dot(inputs, self.weights)

class Centred:
    rowwise = False

    def forward(self, inputs):
        self.seen = len(inputs)
        return inputs - inputs.mean(axis=0)

class InPlace:
    def forward(self, inputs):
        inputs *= 0
        return inputs

class Dropout:
    def __init__(self, rate=0.5):
        self.rate = rate

    def forward(self, inputs):
        return inputs * np.random.binomial(1, 1 - self.rate, inputs.shape)

class Noise:
    rowwise = False

    def forward(self, inputs):
        self.output = inputs + np.random.randn(*inputs.shape)

class Raises:
    def forward(self, inputs):
        raise ValueError("no such thing\\nas a second line")

class RaisesAtFirst:
    def __init__(self):
        raise RuntimeError("not even made")

class Leaves:
    def forward(self, inputs):
        raise SystemExit(0)

class Short:
    def forward(self, inputs):
        return inputs[:, :1]

class Nothing:
    def forward(self, inputs):
        pass

def two_moons(n=5):
    angle = np.pi * np.random.rand(n)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1), np.zeros(n, dtype=np.uint8)

def fails():
    raise OSError("no moons")

class Twice:
    def forward(self, inputs):
        return np.concatenate([inputs, inputs], axis=1)

made = Twice().forward

def gives(what="np.ones((5, 2))"):
    return eval(what)
"""

TRUST = "trust=[book,more]"


def layer(name: str, target: str, **keys: object) -> str:
    return f"+layers.{name}={json.dumps({'_target_': target, **keys}).replace(chr(34), '')}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Program:
    program = Program(tmp_path_factory.mktemp("custom"))
    (program.folder / "book.py").write_text(BOOK_LAYER)
    (program.folder / "more.py").write_text(MORE)
    (program.folder / "mine" / "layers").mkdir(parents=True)
    (program.folder / "mine" / "layers" / "none.yaml").write_text("{}\n")
    return program


def alone(folder: Program, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A run of the given layers and no others."""
    return folder.start("-cd", "mine", "layers=none", TRUST, *arguments)


def loaded(done: subprocess.CompletedProcess[str]) -> Run:
    assert done.returncode == 0, done.stderr
    return runner.load(done.stdout.splitlines()[-1])


BOTH = (
    "data.samples=1700",
    layer("dense1", "book.Layer_Dense", n_neurons=64),
    layer("dense2", "book.Layer_Dense", n_neurons=3),
)


def test_bits_of_the_books_script(folder: Program) -> None:
    """5,100 samples are two tiles: the class runs tile by tile, the script on all at once."""
    (folder.folder / "script.py").write_text(SCRIPT)
    npz = folder.folder / "book.npz"
    subprocess.run([sys.executable, "script.py", str(npz)], cwd=folder.folder, check=True)
    run = loaded(alone(folder, *BOTH))
    with np.load(npz) as book:
        for name in ("dense1", "dense2"):
            assert run.layers[name].kind == "Layer_Dense"
            assert run.layers[name].outputs.dtype == book[name].dtype == np.float32
            assert run.layers[name].outputs.tobytes() == book[name].tobytes()
        weights = run.layers["dense2"].weights
        assert weights is not None
        assert weights.tobytes() == book["weights"].tobytes()


@pytest.mark.parametrize("numerics", ["nnfs", "float32", "float64"])
def test_bits_of_our_layer(folder: Program, numerics: str) -> None:
    theirs = loaded(alone(folder, *BOTH, f"numerics={numerics}"))
    sizes = ("data.samples=1700", "layers.dense1.n_neurons=64")
    ours = runner.load(folder.run("layers=two_dense", *sizes, f"numerics={numerics}"))
    for name in ("dense1", "dense2"):
        assert theirs.layers[name].dtype == ours.layers[name].dtype
        np.testing.assert_array_equal(theirs.layers[name].weights, ours.layers[name].weights)
        if numerics == "nnfs":
            assert theirs.layers[name].digest == ours.layers[name].digest
        np.testing.assert_allclose(
            theirs.layers[name].outputs, ours.layers[name].outputs, rtol=1e-4, atol=1e-7
        )


def test_forward_that_returns(folder: Program) -> None:
    returns = loaded(alone(folder, layer("dense1", "more.Returns", n_neurons=3)))
    ours = runner.load(folder.run("layers=one_dense"))
    np.testing.assert_array_equal(returns.layers["dense1"].outputs, ours.layers["dense1"].outputs)


def test_among_ours(folder: Program) -> None:
    """All rows at once where the class asks for it, and between layers that go by tiles."""
    run = loaded(
        folder.start(
            "layers=one_dense",
            "data.samples=3000",
            layer("mean", "more.Centred"),
            layer("last", "runner.layers.Tanh"),
            TRUST,
        )
    )
    before, centred = run.layers["dense1"].outputs, run.layers["mean"].outputs
    assert run.layers["mean"].kind == "Centred"
    np.testing.assert_array_equal(centred, before - before.mean(axis=0))
    np.testing.assert_array_equal(run.layers["last"].outputs, np.tanh(centred))


@pytest.mark.parametrize("numerics", ["nnfs", "float32", "float64"])
@pytest.mark.parametrize("seeds", ["book", "independent"])
def test_draws_in_forward_are_of_the_seed(
    folder: Program, warm: Warm, numerics: str, seeds: str
) -> None:
    key = "seeds.seed" if seeds == "book" else "seeds.layers"
    layers = (layer("dropout", "more.Dropout"), layer("noise", "more.Noise"))
    digests = []
    for seed in (1, 1, 2):
        arguments = [f"numerics={numerics}", f"seeds={seeds}", f"{key}={seed}", *layers]
        done = warm(
            ["-cd", "mine", "layers=none", TRUST, "data=normal", "data.samples=5000", *arguments],
            folder.folder,
        )
        assert done.code == 0, done.stderr
        digests.append(runner.load(done.stdout.splitlines()[-1]).layers["noise"].digest)
    assert digests[0] == digests[1] != digests[2]


def test_a_class_that_works_in_place(folder: Program) -> None:
    run = loaded(folder.start("layers=one_dense", layer("zero", "more.InPlace"), TRUST))
    plain = runner.load(folder.run("layers=one_dense"))
    assert run.layers["dense1"].digest == plain.layers["dense1"].digest
    assert not run.layers["zero"].outputs.any()


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("more.Raises", ("ValueError", "no such thing")),
        ("more.RaisesAtFirst", ("RuntimeError", "not even made")),
        ("more.Leaves", ("SystemExit", "0")),
        ("more.Short", ("(300, 1)", "(300, 3)", "layers.mine.n_neurons")),
        ("more.Nothing", ("returned nothing", "self.output")),
    ],
)
def test_a_class_that_fails(folder: Program, target: str, words: tuple[str, ...]) -> None:
    before = set(folder.folder.glob("outputs/*/*"))
    done = folder.start("layers=one_dense", layer("mine", target), TRUST)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("runner: layer mine ")
    assert len(last) <= 200
    [directory] = set(folder.folder.glob("outputs/*/*")) - before
    assert (done.returncode, done.stdout) == (1, f"{directory}\n")
    run = runner.load(directory)
    assert run.metadata["status"] == "FAILED"
    assert len(run.layers) == 0
    log = (directory / "runner.log").read_text()
    for word in words:
        for text in (last, run.metadata["error"], log):
            assert word in text
    if target not in ("more.Short", "more.Nothing"):  # where no line of theirs is to blame
        for text in (done.stderr, log):
            assert "Traceback" in text
            assert "more.py" in text
    verified = folder.start("verify", str(directory))
    assert verified.returncode == 0, verified.stdout
    shown = folder.start("show", str(directory))
    assert "FAILED" in shown.stdout


def test_refused_without_trust(program: Program) -> None:
    """Nothing of the module runs: it would leave a file behind."""
    code = "open('imported', 'w').close()\nclass Layer:\n    def forward(self, x): return x\n"
    (program.folder / "effects.py").write_text(code)
    done = program.start(layer("mine", "effects.Layer"))
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "trust=[effects]" in done.stderr
    assert "layers.mine._target_=effects.Layer" in done.stderr
    assert {path.name for path in program.folder.iterdir()} == {"effects.py"}
    # The override that the message gives is the one that helps.
    program.run(layer("mine", "effects.Layer"), "trust=[effects]")
    assert (program.folder / "imported").exists()


@pytest.mark.parametrize(
    "target",
    ["os.system", "numpy.load", "pandas.read_pickle", "pathlib.Path.unlink", "runner.cli.main"],
)
def test_nothing_else_is_called(program: Program, target: str) -> None:
    what = f"++data._target_={target}" if target == "os.system" else layer("mine", target)
    done = program.start(what)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert target in done.stderr
    assert program.outputs == []


def test_a_dataset_of_ones_own(folder: Program) -> None:
    (folder.folder / "mine" / "data").mkdir(exist_ok=True)
    (folder.folder / "mine" / "data" / "moons.yaml").write_text("_target_: more.two_moons\nn: 9\n")
    first = loaded(folder.start("-cd", "mine", "data=moons", TRUST))
    again = loaded(folder.start("-cd", "mine", "data=moons", TRUST))
    assert first.inputs.shape == (9, 2)
    np.testing.assert_allclose(np.hypot(*first.inputs.T), 1, rtol=1e-6)
    assert first.layers["dense2"].digest == again.layers["dense2"].digest
    other = loaded(folder.start("-cd", "mine", "data=moons", TRUST, "seeds.seed=1"))
    assert not np.array_equal(other.inputs, first.inputs)


def test_a_dataset_that_fails(folder: Program) -> None:
    (folder.folder / "mine" / "data").mkdir(exist_ok=True)
    (folder.folder / "mine" / "data" / "fails.yaml").write_text("_target_: more.fails\n")
    done = folder.start("-cd", "mine", "data=fails", TRUST)
    assert (done.returncode, done.stdout) == (1, "")
    assert "more.py" in done.stderr
    assert done.stderr.splitlines()[-1] == "runner: dataset more.fails raised OSError: no moons"


def test_the_console_script_finds_modules_too(folder: Program) -> None:
    """``python -m`` has the folder on its path; a script has to see to it itself."""
    script = Path(sys.executable).with_name("runner")
    if not script.exists():
        pytest.skip("the package is not installed here, only its tree")
    call = [str(script), layer("mine", "book.Layer_Dense", n_neurons=2), TRUST]
    done = subprocess.run(call, cwd=folder.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert runner.load(done.stdout.strip()).layers["mine"].kind == "Layer_Dense"


def test_what_a_class_prints_is_no_result(folder: Program) -> None:
    (folder.folder / "talks.py").write_text(
        "print('imported')\n\n\n"
        "class Talks:\n"
        "    def forward(self, inputs):\n"
        "        print('forward')\n"
        "        return inputs\n"
    )
    done = folder.start("layers=one_dense", layer("t", "talks.Talks"), "trust=[talks]")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert "forward" in done.stderr


def test_a_class_exchanged_in_place(folder: Program, warm: Warm) -> None:
    """What our class would have had by default is left behind; what was said goes along."""

    def digest(*arguments: str) -> str:
        done = warm(["-cd", "mine", TRUST, *arguments], folder.folder)
        assert done.code == 0, done.stderr
        return runner.load(done.stdout.splitlines()[-1]).layers["dense1"].digest

    exchanged = digest("layers=one_dense", "layers.dense1._target_=book.Layer_Dense")
    assert exchanged == digest("layers=none", layer("dense1", "book.Layer_Dense", n_neurons=3))
    assert exchanged == digest("layers=one_dense")
    alone = ("layers=none", layer("dense1", "runner.layers.ReLU"))
    normal = digest("data=normal", "data.samples=100", *alone)
    assert normal == digest("data._target_=runner.data.normal", *alone)
    for arguments, words in {
        ("layers.dense1.gain=2", "layers.dense1._target_=book.Layer_Dense"): "layers.dense1.gain",
        ("layers.dense1._target_=runner.layers.ReLU",): "layers.dense1.n_neurons=3",
    }.items():
        done = warm(["layers=one_dense", TRUST, *arguments], folder.folder)
        assert done.code == 2
        assert words in done.stderr


def test_a_width_that_the_class_is_not_asked_for(folder: Program, warm: Warm) -> None:
    said = ["-cd", "mine", "layers=none", TRUST]
    done = warm([*said, layer("wide", "more.Twice", n_neurons=4)], folder.folder)
    assert done.code == 0, done.stderr
    assert runner.load(done.stdout.splitlines()[-1]).layers["wide"].outputs.shape == (300, 4)
    done = warm([*said, layer("wide", "more.Twice")], folder.folder)
    assert done.code == 1
    assert "expected (300, 2); say the width with layers.wide.n_neurons" in done.stderr


def test_what_a_dataset_of_ones_own_gives(folder: Program, warm: Warm) -> None:
    data = folder.folder / "mine" / "data"
    data.mkdir(exist_ok=True)
    (data / "gives.yaml").write_text("_target_: more.gives\nwhat: np.ones((5, 2))\n")
    calls = {
        "np.ones((5, 2)), np.ones(5), 3": "gave 3 things",
        "[np.ones((5, 2)), np.zeros(5)]": "gave inputs that are no table of numbers",
        "[[1, 2], [3]], [0, 1]": "gave inputs that are no table of numbers",
        "np.ma.masked_less(np.arange(4.).reshape(2, 2), 1)": "gave inputs that are no table",
        "None": "gave inputs that are no table of numbers",
        "np.ones(5)": "gave inputs of shape (5,)",
        "np.ones((5, 2)), np.eye(5, 3)": "gave targets of shape (5, 3), not one for each",
        "np.ones((5, 2)), ['a'] * 5": "gave targets that are no table of numbers",
        "[[1, 2], [3, 4]]": "",
        "(np.ones((5, 2)),)": "",
        "np.asfortranarray(np.ones((5, 2))), np.arange(5, dtype='>i4')": "",
    }
    for what, words in calls.items():
        done = warm(
            ["-cd", "mine", "data=gives", f'data.what="{what}"', "layers=one_dense", TRUST],
            folder.folder,
        )
        assert done.code == (2 if words else 0), (what, done.stderr)
        assert words in done.stderr
        assert not words or len(done.stderr.splitlines()) == 1
