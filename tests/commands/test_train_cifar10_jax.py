"""`scripts/train_cifar10_jax.py` on images that a linear function tells apart."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import REPOSITORY

pytest.importorskip("jax", reason="needs jax, of the test extra")
SETTINGS = ("--epochs=24", "--batch_size=20", "--learning_rate=0.05", "--validation_fraction=0", "--seed=1")


def train(folder, *flags):
    program = [sys.executable, REPOSITORY / "scripts" / "train_cifar10_jax.py", "--data=data.npz", *SETTINGS, *flags]
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
    write(tmp_path / "data.npz", first=-1)
    negative = train(tmp_path, "--workdir=other")
    assert negative.stderr.endswith("error: --data: data.npz must have labels from 0.\n")
    assert not (tmp_path / "other").exists()
