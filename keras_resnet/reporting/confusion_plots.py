"""A confusion matrix as a picture. Needs matplotlib (the `plots` extra)."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_resnet.reporting.findings import LEGIBLE, Pair, wrong
from keras_resnet.reporting.style import COLORS, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLOCKS = 100  # cells of a side, beyond which classes are counted together
LISTED = 15  # pairs of classes
LONGEST_NAME, LONGEST_IN_PAIR = 22, 24  # characters
STRONGEST = 0.8  # opacity of a cell, at which black text is legible


def plot_confusion(
    matrix: np.ndarray,
    columns: Sequence[str],
    pairs: Sequence[Pair],
    path: str | os.PathLike,
    split: str = "test",
) -> None:
    """Draws a confusion matrix: up to 20 classes with numbers, else as an image beside the most frequent confusions.

    Right answers are blue, relative to the class; mistakes are orange, by the square root of their
    number relative to the most frequent one.

    Args:
        matrix: numbers of images, int (classes, columns); a row for each class, a column for each prediction.
        columns: the names of the columns; the first ones are those of the rows.
        pairs: of different classes, the most frequent first: (class, prediction, images, all images of the class).
        path: the file to write: PNG, SVG or PDF.
        split: of the images, for the title.

    Raises:
        ImportError: matplotlib is missing.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.reporting.confusion_plots import plot_confusion
        >>> plot_confusion(np.array([[9, 1], [2, 8]]), ["cat", "dog"], [("dog", "cat", 2, 10)], "confusion.png")
    """
    right, total = int(np.trace(matrix)), int(matrix.sum())
    title = f"Confusion matrix: {right:,} of {total:,} {split} images right"
    if len(matrix) <= LEGIBLE:
        side = max(4.0, 2.6 + 0.42 * len(matrix))
        with figure(path, size=(8.0, side)) as drawn:
            drawn.suptitle(title)
            _draw_numbers(drawn.subplots(), matrix, [shortened(name) for name in columns])
        return
    with figure(path, size=(8.0, 6.0)) as drawn:
        drawn.suptitle(title)
        whole, most_frequent = drawn.subplots(1, 2, width_ratios=(5, 3))
        _draw_blocks(whole, matrix)
        _draw_pairs(most_frequent, pairs[:LISTED])


def shortened(name: str, longest: int = LONGEST_NAME) -> str:
    """A name of at most so many characters.

    Example:
        >>> from keras_resnet.reporting.confusion_plots import shortened
        >>> shortened("black-footed ferret", 12)
        'black-foote…'
    """
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def _colored(matrix: np.ndarray) -> np.ndarray:
    """The cells as RGBA, (rows, columns, 4)."""
    from matplotlib.colors import to_rgb

    opacity = np.sqrt(wrong(matrix) / max(1, wrong(matrix).max()))
    of_class = np.diagonal(matrix) / np.maximum(1, matrix.sum(axis=1))
    np.fill_diagonal(opacity, of_class)
    colors = np.empty((*matrix.shape, 4))
    colors[..., :3] = to_rgb(COLORS[1])
    colors[np.arange(len(matrix)), np.arange(len(matrix)), :3] = to_rgb(COLORS[0])
    colors[..., 3] = STRONGEST * opacity
    return colors


def _draw_numbers(axes: "Axes", matrix: np.ndarray, columns: Sequence[str]) -> None:
    axes.imshow(_colored(matrix), aspect="auto")
    size = 10 if len(matrix) <= 10 else 8
    for row, counts in enumerate(matrix):
        for column, count in enumerate(counts):
            if count:
                axes.text(column, row, f"{count}", ha="center", va="center", fontsize=size)
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(matrix)), columns[: len(matrix)])
    axes.set(xlabel="what the model says", ylabel="class of the image")
    axes.grid(False)


def _draw_blocks(axes: "Axes", matrix: np.ndarray) -> None:
    """The matrix as an image; each cell of a large one counts a block of classes."""
    classes = len(matrix)
    size = -(-classes // BLOCKS)
    square = np.pad(matrix[:, :classes], (0, -classes % size))
    count = len(square) // size
    blocks = square.reshape(count, size, count, size).sum(axis=(1, 3))
    axes.imshow(_colored(blocks), extent=(0, count * size, count * size, 0))
    axes.set(xlabel="what the model says (number of the class)", ylabel="class of the image (number)")
    axes.set_title(f"{size} classes in a cell" if size > 1 else "all classes", fontsize=11)
    axes.grid(False)


def _draw_pairs(axes: "Axes", pairs: Sequence[Pair]) -> None:
    """The pairs of classes that are confused most often, as bars."""
    names = [f"{shortened(label, LONGEST_IN_PAIR)}\n→ {shortened(said, LONGEST_IN_PAIR)}" for label, said, *_ in pairs]
    bars = axes.barh(range(len(pairs)), [images for _, _, images, _ in pairs], color=COLORS[1], alpha=STRONGEST)
    axes.bar_label(bars, padding=2, fontsize=9)
    axes.set_yticks(range(len(pairs)), names, fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_xlabel("images")
    axes.set_title("most frequent", fontsize=11)
    axes.grid(axis="y", visible=False)
