"""Images as parts of pictures."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_image(axes: "Axes", image: np.ndarray) -> None:
    """Draws an image (height, width, 3 or 1), in 0 to 255, without ticks."""
    pixels = np.clip(np.rint(image), 0, 255).astype("uint8")
    axes.imshow(np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels)
    without_ticks(axes)


def without_ticks(axes: "Axes") -> None:
    """Removes ticks, grid and frame, which have no meaning around images."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.grid(False)


def tiled(images: Sequence[np.ndarray] | np.ndarray, columns: int, gap: int = 1) -> np.ndarray:
    """Images in rows and columns as one image, with gaps of NaN, which matplotlib leaves blank.

    Args:
        images: (N, height, width), numbers.
        columns: number of images in a row.
        gap: pixels between them.

    Returns:
        float64 (rows * (height + gap) - gap, columns * (width + gap) - gap).

    Example:
        >>> import numpy as np
        >>> from keras_resnet.reporting.images import tiled
        >>> tiled(np.ones((3, 2, 2)), columns=2).shape
        (5, 5)
    """
    count, height, width = np.shape(images)
    rows = -(-count // columns)
    sheet = np.full((rows * (height + gap), columns * (width + gap)), np.nan)
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        top, left = row * (height + gap), column * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet[:-gap, :-gap]
