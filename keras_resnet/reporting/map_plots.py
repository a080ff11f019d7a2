"""Grad-CAM and occlusion maps over photos, as pictures. Needs matplotlib (the `plots` extra)."""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keras_resnet.reporting.images import draw_image, without_ticks
from keras_resnet.reporting.style import SIZE, figure
from keras_resnet.runtimes.image_sources import LUMINANCE
from keras_resnet.runtimes.occlusion import patches

COLOR_MAP = "viridis"  # perceptually uniform
OPACITY = 0.6  # of the colors over the photo
SMALLEST_DROP = 0.01  # that gets the brightest color, so that noise stays dark
ROW_HEIGHT = 2.4  # inches
LONGEST_LINE = 22  # characters beside or above a photo


class MapRow(NamedTuple):
    """A photo and its maps.

    Attributes:
        image: as the model sees it, (height, width, 3 or 1), in 0 to 255.
        name: of the image.
        title: the class and its probability.
        grad_cam: evidence at each pixel in logits, (height, width); None without it.
        drops: of the probability for each covered patch, (grid, grid).
    """

    image: np.ndarray
    name: str
    title: str
    grad_cam: np.ndarray | None
    drops: np.ndarray


def plot_maps(rows: Sequence[MapRow], path: str | os.PathLike) -> None:
    """Draws photos in rows, with their maps beside them in colors over the photo in gray.

    Args:
        rows: all with Grad-CAM, or all without it.
        path: the file to write: PNG, SVG or PDF.

    Raises:
        ImportError: matplotlib is missing.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.reporting.map_plots import MapRow, plot_maps
        >>> row = MapRow(np.zeros((8, 8, 3)), "cat.jpg", "cat 0.98", np.eye(8), np.eye(2))
        >>> plot_maps([row], "maps.png")
    """
    with figure(path, (SIZE[0], ROW_HEIGHT * len(rows) + 0.4)) as drawn:
        columns = 2 + (rows[0].grad_cam is not None)
        for row, (photo, *others) in zip(rows, drawn.subplots(len(rows), columns, squeeze=False), strict=True):
            draw_image(photo, row.image)
            photo.set_title(_shortened(row.title), fontsize="medium")
            photo.set_xlabel(_shortened(row.name), fontsize="small")
            for axes, overlay in zip(others, _overlays(row), strict=True):
                low, high = min(0, overlay.values.min()), max(overlay.least, overlay.values.max())
                draw_image(axes, _gray(row.image))
                colors = axes.imshow(overlay.values, cmap=COLOR_MAP, alpha=OPACITY, vmin=low, vmax=high)
                axes.set_title(overlay.title, fontsize="medium")
                without_ticks(axes)
                drawn.colorbar(colors, ax=axes, label=overlay.unit, shrink=0.9)


class _Overlay(NamedTuple):
    """Values (height, width) to draw over a photo; the brightest color is that of the largest, or of the `least`."""

    title: str
    unit: str
    values: np.ndarray
    least: float


def _overlays(row: MapRow) -> list[_Overlay]:
    height, width, _ = row.image.shape
    covered = np.zeros((height, width))
    for drop, patch in zip(row.drops.flat, patches((height, width), len(row.drops)), strict=True):
        covered[patch] = drop
    occlusion = _Overlay("Occlusion", "drop of probability", covered, SMALLEST_DROP)
    if row.grad_cam is None:
        return [occlusion]
    return [_Overlay("Grad-CAM", "evidence (logits)", row.grad_cam, 0), occlusion]


def _gray(image: np.ndarray) -> np.ndarray:
    return image if image.shape[-1] == 1 else (image @ np.asarray(LUMINANCE))[..., None]


def _shortened(text: str) -> str:
    """A text that fits the width of a photo: without the middle, if it is too long."""
    half = LONGEST_LINE // 2
    return text if len(text) <= LONGEST_LINE else f"{text[:half]}…{text[-half:]}"
