"""A sheet of images that a model classifies wrong. Needs matplotlib (the `plots` extra)."""

import os
from collections.abc import Sequence

from keras_resnet.reporting.confusion_plots import shortened
from keras_resnet.reporting.findings import MistakePicture
from keras_resnet.reporting.images import draw_image
from keras_resnet.reporting.style import figure

COLUMNS = 5  # images in a row


def plot_mistakes(mistakes: Sequence[MistakePicture], path: str | os.PathLike, split: str = "test") -> None:
    """Draws images with their class, and what the model takes them for with which probability.

    Args:
        mistakes: the images, at least one.
        path: the file to write: PNG, SVG or PDF.
        split: of the images, for the title.

    Raises:
        ImportError: matplotlib is missing.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.reporting.findings import MistakePicture
        >>> from keras_resnet.reporting.mistakes_plots import plot_mistakes
        >>> plot_mistakes([MistakePicture(np.zeros((8, 8, 3), "uint8"), "image 5", "cat", "dog", 0.9)], "mistakes.png")
    """
    rows = -(-len(mistakes) // COLUMNS)
    with figure(path, size=(8.0, 0.6 + 2.2 * rows)) as drawn:
        drawn.suptitle(f"The {len(mistakes)} most confident mistakes on {split} images")
        all_axes = drawn.subplots(rows, COLUMNS, squeeze=False).ravel()
        for axes in all_axes:
            axes.axis("off")
        for axes, mistake in zip(all_axes, mistakes, strict=False):
            draw_image(axes, mistake.image)
            says = f"{shortened(mistake.prediction)}\n{100 * mistake.probability:.2f} %"
            axes.set_title(f"{shortened(mistake.label)}\n→ {says}", fontsize=9)
