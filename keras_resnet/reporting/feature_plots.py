"""Filters and feature maps as pictures. Needs matplotlib (the `plots` extra)."""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keras_resnet.reporting.images import draw_image, tiled, without_ticks
from keras_resnet.reporting.style import SIZE, figure

COLUMNS = 8  # filters or channels in a row
WIDTH = SIZE[0]  # of a picture, inches
TILES_WIDTH = 6.6  # of a row of feature maps beside its color bar, inches
SMALLEST_TILE = 40  # positions; smaller feature maps are enlarged, so that the gaps between them are narrow
PHOTO_HEIGHT = 2.4  # inches
TITLE_HEIGHT = 0.6  # of the title of a layer and the space around it, inches
COLOR_MAP = "magma"  # perceptually uniform
DRAWABLE = {1: "gray", 3: "RGB"}  # the numbers of input channels of filters that are colors


class LayerMaps(NamedTuple):
    """Feature maps of a layer to draw.

    Attributes:
        title: what they are.
        maps: (N, height, width).
    """

    title: str
    maps: np.ndarray


def plot_filters(kernels: np.ndarray, layer: str, path: str | os.PathLike) -> None:
    """Draws the filters of a convolution on images: in colors if it takes RGB, in gray if it takes grayscale images.

    A weight of zero is gray; each filter is scaled by its largest weight.

    Args:
        kernels: (filters, height, width, channels), with 3 channels or 1.
        layer: the name of the convolution, for the title.
        path: the file to write: PNG, SVG or PDF.

    Raises:
        ImportError: matplotlib is missing.
        ValueError: the filters have another number of channels.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.reporting.feature_plots import plot_filters
        >>> plot_filters(np.random.default_rng(0).normal(size=(16, 3, 3, 3)), "stem_conv", "filters.png")
    """
    count, height, width, channels = kernels.shape
    if channels not in DRAWABLE:
        raise ValueError(f"The filters of {layer} take {channels} channels; only 1 or 3 can be drawn as colors.")
    colors = np.moveaxis(_as_colors(kernels), -1, 0)
    sheet = np.stack([tiled(channel, min(COLUMNS, count)) for channel in colors], -1)
    with figure(path, (WIDTH, WIDTH * sheet.shape[0] / sheet.shape[1] + 0.8)) as drawn:
        axes = drawn.subplots()
        axes.imshow(np.nan_to_num(sheet, nan=1.0))
        axes.set_title(f"{layer}: {count} filters of {height} x {width} weights on {DRAWABLE[channels]}")
        axes.set_xlabel("gray: a weight of 0; each filter is scaled by its largest weight")
        without_ticks(axes)


def _as_colors(kernels: np.ndarray) -> np.ndarray:
    """Weights as RGB in 0 to 1, with 0.5 for zero."""
    largest = np.abs(kernels).max((1, 2, 3), keepdims=True)
    colors = 0.5 + kernels / np.where(largest > 0, 2 * largest, 1)
    return np.repeat(colors, 3, axis=-1) if kernels.shape[-1] == 1 else colors


def plot_features(image: np.ndarray, layers: Sequence[LayerMaps], path: str | os.PathLike) -> None:
    """Draws an image and feature maps of layers, with a scale of colors for each layer.

    Args:
        image: (height, width, 3 or 1), in 0 to 255.
        layers: the rows of the picture.
        path: the file to write: PNG, SVG or PDF.

    Raises:
        ImportError: matplotlib is missing.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.reporting.feature_plots import LayerMaps, plot_features
        >>> maps = np.random.default_rng(0).normal(size=(4, 8, 8))
        >>> plot_features(np.zeros((8, 8, 3)), [LayerMaps("stem_conv", maps)], "features.png")
    """
    sheets = [_sheet(layer.maps) for layer in layers]
    heights = [PHOTO_HEIGHT, *(TITLE_HEIGHT + TILES_WIDTH * sheet.shape[0] / sheet.shape[1] for sheet in sheets)]
    with figure(path, (WIDTH, sum(heights))) as drawn:
        photo, *rows = drawn.subplots(len(heights), 1, height_ratios=heights)
        draw_image(photo, image)
        photo.set_title("What the model sees")
        for axes, layer, sheet in zip(rows, layers, sheets, strict=True):
            values = axes.imshow(sheet, cmap=COLOR_MAP)
            axes.set_title(layer.title)
            without_ticks(axes)
            drawn.colorbar(values, ax=axes, label="activation", pad=0.01)


def _sheet(maps: np.ndarray) -> np.ndarray:
    """Feature maps (N, height, width) side by side, with gaps of a twentieth of their width."""
    factor = -(-SMALLEST_TILE // maps.shape[2])
    enlarged = maps.repeat(factor, axis=1).repeat(factor, axis=2)
    return tiled(enlarged, COLUMNS, gap=enlarged.shape[2] // 20)
