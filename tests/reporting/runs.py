"""Run directories without a training."""

import dataclasses
import json
import pathlib

import numpy as np

from keras_resnet import Recipe, load_data
from keras_resnet.reporting.findings import Findings, MistakePicture
from keras_resnet.run_directory import Run
from keras_resnet.training.description import describe_run
from keras_resnet.training.workdir import begin

RECIPE = Recipe(epochs=4, batch_size=32, schedule="cosine", pad=4, flip=True, validation_fraction=0.2)
SOURCE = {"source": "cifar10", "data_dir": "/data/tfds"}


def rows(epochs: int, rate: float = 100.0) -> list[dict[str, float]]:
    """A log whose loss falls from 2 by half in each epoch."""
    return [
        {
            "epoch": epoch,
            "accuracy": 1 - 0.5**epoch / 2,
            "loss": 2 * 0.5**epoch,
            "val_accuracy": 1 - 0.6**epoch / 2,
            "val_loss": 2 * 0.6**epoch,
            "images_per_second": rate,
            "data_time": 0.01,
            "learning_rate": 0.1,
        }
        for epoch in range(epochs)
    ]


def write_run(
    folder: pathlib.Path, epochs: int, recipe: Recipe = RECIPE, accuracy: float | None = None, **parts
) -> Run:
    """A run directory with so many epochs in its log; `parts` replace those of recipe.json."""
    images = np.random.default_rng(0).integers(0, 256, (200, 8, 8, 3)).astype("uint8")
    data = load_data((images, np.arange(200) % 10), recipe)
    run = Run(folder)
    begin(run, {**describe_run("resnet20_cifar", data, recipe), "data_source": SOURCE, **parts}, data.class_names)
    if epochs:
        run.write_log(rows(epochs))
    if accuracy is not None:
        run.write_json("result.json", {"epochs": recipe.epochs, **result(accuracy)})
    return run


def result(accuracy: float, images: int = 1000) -> dict:
    """A result.json."""
    correct = round(accuracy * images)
    return {
        "split": "test",
        "images": images,
        "top1_accuracy": correct / images,
        "top5_accuracy": None,
        "protocol": "whole 8x8 image, single view",
        "classes": [{"class": "cat <b>", "images": images, "correct": correct}],
    }


def findings(classes: int = 10, images: int = 20) -> Findings:
    """Findings of a model that takes each class for the next in one of ten cases."""
    matrix = 9 * np.eye(classes, dtype=int) + np.roll(np.eye(classes, dtype=int), 1, axis=1)
    names = [f"class {number}" for number in range(classes)]
    confused = [(names[number], names[(number + 1) % classes], 1, 10) for number in range(classes)]
    pixels = np.random.default_rng(0).integers(0, 256, (images, 32, 32, 3)).astype("uint8")
    mistakes = [MistakePicture(image, f"image {number}", "cat", "dog", 0.9) for number, image in enumerate(pixels)]
    return Findings(["test accuracy 0.9000"], [result(0.9)], matrix, names, confused, mistakes)


def changed(run: Run, **parts) -> None:
    """Replaces parts of a run's recipe.json; None removes one."""
    saved = {**run.read_json("recipe.json"), **parts}
    run.file("recipe.json").write_text(json.dumps({name: part for name, part in saved.items() if part is not None}))


def longer(recipe: Recipe, epochs: float) -> Recipe:
    """The recipe with other epochs."""
    return dataclasses.replace(recipe, epochs=epochs)
