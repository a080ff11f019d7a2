"""What a recipe does, as images: learning rate, image size, and a batch. Needs matplotlib (the `plots` extra)."""

import os
from collections.abc import Mapping, Sequence

import numpy as np

from keras_resnet.recipes import Recipe, image_size_at, rate_factor
from keras_resnet.reporting.style import figure

POINTS = 1000  # of a curve
COLUMNS = 8  # images in a row


def plot_schedules(recipes: Mapping[str, Recipe], path: str | os.PathLike) -> None:
    """Plots the learning rate and the image size of recipes against the progress of the run.

    The learning rate is relative to the highest one, so that recipes for batches of different sizes can be compared;
    the legend has the highest one.

    Args:
        recipes: by name.
        path: the file to write: PNG, SVG or PDF.

    Raises:
        ImportError: matplotlib is missing.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.reporting.recipe_plots import plot_schedules
        >>> plot_schedules({"fast16": keras_resnet.RECIPES["fast16"]}, "schedules.png")
    """
    progress = np.linspace(0, 1, POINTS, endpoint=False)
    with figure(path, (12, 4.2)) as drawn:
        rate, size = drawn.subplots(1, 2)
        for name, recipe in recipes.items():
            label = f"{name}: {recipe.base_rate:g}, {recipe.epochs:g} epochs"
            rate.plot(100 * progress, [rate_factor(recipe, point) for point in progress], label=label)
            size.plot(100 * progress, [image_size_at(recipe, point) for point in progress], label=name)
        rate.set_title("Learning rate / highest learning rate")
        rate.legend(fontsize="small")
        size.set_title("Size of training images (pixels)")
        size.set_ylim(bottom=0)
        for axes in (rate, size):
            axes.set_xlabel("progress of the run (%)")


def plot_batch(images: np.ndarray, labels: np.ndarray, class_names: Sequence[str], path: str | os.PathLike) -> None:
    """Draws the images of a batch with their labels.

    Args:
        images: (N, H, W, 3), RGB in 0 to 255.
        labels: class numbers (N,), or probabilities (N, classes), of which the highest two are shown.
        class_names: of the labels.
        path: the file to write: PNG, SVG or PDF.

    Raises:
        ImportError: matplotlib is missing.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.reporting.recipe_plots import plot_batch
        >>> plot_batch(np.zeros((2, 8, 8, 3)), np.array([0, 1]), ["cat", "dog"], "batch.png")
    """
    rows = -(-len(images) // COLUMNS)
    with figure(path, (1.6 * COLUMNS, 1.95 * rows)) as drawn:
        all_axes = drawn.subplots(rows, COLUMNS, squeeze=False).ravel()
        for axes in all_axes:
            axes.axis("off")
        for axes, image, label in zip(all_axes, images, labels, strict=False):
            axes.imshow(np.clip(np.round(image), 0, 255).astype("uint8"))
            axes.set_title(_label(label, class_names), fontsize="x-small", parse_math=False)


def _label(label: np.ndarray, class_names: Sequence[str]) -> str:
    """The class, or the two most probable classes with their probabilities."""
    if not np.ndim(label):
        return class_names[int(label)]
    highest = [number for number in np.argsort(label)[:-3:-1] if label[number] > 1.5 / len(label) or len(label) < 3]
    return "\n".join(f"{class_names[number]} {label[number]:.2f}" for number in highest)
