"""Errors of networks with several kinds of shortcuts. Needs matplotlib (the `plots` extra)."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_resnet.reporting.style import COLORS, figure

SERIES = (  # column of shortcuts.csv, label, marker, color, side of the category on which it is drawn
    ("training_error", "training", "s", COLORS[1], -1),
    ("test_error", "test", "o", COLORS[0], 1),
)


def plot_shortcuts(rows: Sequence[Mapping[str, Any]], title: str, path: str | os.PathLike) -> None:
    """Draws training and test error for each kind of shortcut: means over the seeds, with bars over their range.

    Args:
        rows: of shortcuts.csv.
        title: of the picture.
        path: the file to write: PNG, SVG or PDF.

    Raises:
        ImportError: matplotlib is missing.

    Example:
        >>> from keras_resnet.reporting.shortcut_plots import plot_shortcuts
        >>> errors = dict(training_error=0.1, training_error_lowest=0.1, training_error_highest=0.1,
        ...               test_error=0.3, test_error_lowest=0.2, test_error_highest=0.4)
        >>> plot_shortcuts([dict(shortcut="A", parameters=269_722, multiply_adds=40_813_184, seeds=2, **errors)],
        ...                "20 layers on CIFAR-10", "shortcuts.png")
    """
    with figure(path) as drawn:
        axes = drawn.subplots()
        for column, label, marker, color, side in SERIES:
            mean, lowest, highest = (
                np.array([100 * row[f"{column}{part}"] for row in rows]) for part in ("", "_lowest", "_highest")
            )
            places = np.arange(len(rows)) + 0.06 * side
            # The mean of equal values may differ from them in the last digit.
            spread = np.maximum(0, (mean - lowest, highest - mean))
            axes.errorbar(places, mean, spread, fmt=marker, color=color, capsize=4, label=label)
            text: dict[str, Any] = dict(
                textcoords="offset points", ha="left" if side > 0 else "right", va="center", color=color
            )
            for place, value in zip(places, mean, strict=True):
                axes.annotate(f"{value:.2f}", (place, value), (9 * side, 0), **text)
        axes.set_xticks(range(len(rows)), [_tick(row) for row in rows])
        axes.set_xlim(-0.6, len(rows) - 0.4)
        axes.margins(y=0.15)
        axes.set_xlabel("shortcut")
        axes.set_ylabel("error (%)")
        axes.legend(loc="best")
        axes.set_title(title)


def _tick(row: Mapping[str, Any]) -> str:
    return f"{row['shortcut']}\n{row['parameters'] / 1e6:.3f} M parameters\n{row['multiply_adds'] / 1e9:.4f} GFLOPs"
