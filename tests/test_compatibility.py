"""What an earlier version wrote is still read.

`golden/version_0_1` was written by commit bb1cbb0, with Keras 3.15.1 and TensorFlow 2.21.0: a model with every layer of
the package, and a run directory, whose recipe has the fields' earlier names.
"""

import json
import pathlib
import shutil

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.run_directory import Run

BEFORE = pathlib.Path(__file__).parent / "golden" / "version_0_1"
OUTPUTS = json.loads((BEFORE / "outputs.json").read_text(encoding="utf-8"))
CLASSES = ["ant", "bee", "cat", "dog"]


def images():
    """The 64 images and labels that the run was trained on."""
    labels = np.arange(64) % 4
    random = np.random.default_rng(0)
    return (random.integers(0, 150, (64, 8, 8, 3)) + 30 * labels[:, None, None, None]).astype("uint8"), labels


def splits(recipe):
    """The images that the earlier version trained on, and those that it held out: drawn from all classes together."""
    pictures, labels = images()
    order = np.random.default_rng(recipe.seed).permutation(64)
    held_out = round(recipe.validation_fraction * 64)
    parts = {"train": np.sort(order[:-held_out]), "validation": np.sort(order[-held_out:])}
    return {split: (pictures[indices], labels[indices]) for split, indices in parts.items()}


def test_keras_file_with_every_layer_opens():
    model = keras.saving.load_model(BEFORE / "all_layers.keras")
    assert type(model) is keras_resnet.Model
    kinds = {type(layer).__name__ for layer in model.layers if type(layer) in vars(keras_resnet.layers).values()}
    assert kinds == {"Conv2D", "BatchNormalization", "PaddedMaxPooling2D", "ZeroPaddedShortcut", "BlurPool"}
    inputs = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3)).astype("float32")
    np.testing.assert_allclose(model(inputs), OUTPUTS["all_layers"], rtol=1e-5)


def test_run_predicts_and_is_evaluated():
    predicted = keras_resnet.predict(BEFORE / "run", list(images()[0][:2]), top=4)
    by_class = [[dict(row)[name] for name in CLASSES] for row in predicted]
    np.testing.assert_allclose(by_class, OUTPUTS["run"], rtol=1e-5)

    recipe = Run(BEFORE / "run").recipe()
    data = keras_resnet.load_data(splits(recipe), recipe, class_names=CLASSES)
    result = keras_resnet.evaluate(keras_resnet.load_model(BEFORE / "run"), data, note="final weights")
    assert str(result) == OUTPUTS["result"]


def test_run_cannot_be_resumed_and_is_left_as_it_was(tmp_path):
    run = shutil.copytree(BEFORE / "run", tmp_path / "run")
    recipe = Run(run).recipe()
    data = keras_resnet.load_data(images(), recipe, class_names=CLASSES)
    net = keras_resnet.create_model("resnet20_cifar", depths=(1, 1), widths=(4, 8), input_shape=(8, 8, 3), classes=4)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(FileExistsError, match=r"earlier version.*schedule_steps.*not resume it") as error:
        keras_resnet.train(net, data, recipe, run, verbose=0)
    assert "\n" not in str(error.value)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
