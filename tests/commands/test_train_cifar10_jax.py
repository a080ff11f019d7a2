"""`scripts/train_cifar10_jax.py` on images that a linear function tells apart."""

import json
import os
import runpy
import subprocess
import sys

import numpy as np
import pytest

from keras_resnet import get_recipe
from tests.conftest import REPOSITORY

pytest.importorskip("jax", reason="needs jax, of the test extra")
PROGRAM = REPOSITORY / "scripts" / "train_cifar10_jax.py"
SETTINGS = ("--epochs=24", "--batch_size=20", "--learning_rate=0.05", "--validation_fraction=0", "--seed=1")


def train(folder, *flags):
    program = [sys.executable, PROGRAM, "--data=data.npz", *SETTINGS, *flags]
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    return subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def write(path, count=100, first=0):
    """Images of four classes, each with one bright quarter."""
    random = np.random.default_rng(0)
    labels = np.arange(count) % 4
    images = random.integers(0, 60, (count, 16, 16, 3))
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(label, 2)
        image[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] += 180
    arrays = {"x": images.astype("uint8"), "y": labels + first}
    np.savez(path, **{f"{name}_{split}": values for split in ("train", "test") for name, values in arrays.items()})


def test_a_net_that_the_papers_warm_up_is_for_is_refused():
    program = runpy.run_path(str(PROGRAM))
    image = program["Arrays"](np.zeros((1, 32, 32, 3), "uint8"), np.zeros(1, "int32"))
    with pytest.raises(ValueError, match="resnet110_cifar needs a warm-up; train with `keras-resnet train`"):
        program["build"]("resnet110_cifar", image, 10, get_recipe("cifar_he2015"))


@pytest.mark.slow
def test_run_learns_and_its_directory_is_not_used_twice(tmp_path):
    write(tmp_path / "data.npz")
    done = train(tmp_path, "--workdir=run", "--pad=0", "--noflip")
    assert not done.returncode, done.stderr
    run = tmp_path / "run"
    assert {"recipe.json", "log.csv", "result.json", "final.keras"} <= {path.name for path in run.iterdir()}
    result = json.loads((run / "result.json").read_text())
    assert result["top1_correct"] / result["images"] > 0.9
    again = train(tmp_path, "--workdir=run")
    assert again.stderr.endswith("error: --workdir: run is not empty; remove it, or choose another one.\n")
    few = train(tmp_path, "--workdir=other", "--batch_size=101")
    assert few.stderr.endswith("error: --batch_size=101 is more than the 100 training images; choose a smaller one.\n")
    write(tmp_path / "data.npz", first=-1)
    negative = train(tmp_path, "--workdir=other")
    assert negative.stderr.endswith("error: --data: data.npz must have labels from 0.\n")
    assert not (tmp_path / "other").exists()
