"""Occlusion maps: how much the probability of a class drops when a part of the image is covered."""

import itertools
from collections.abc import Iterator

import numpy as np

from keras_resnet.view import View

GRID = 7  # default number of patches along a side of the image


def patches(size: tuple[int, int], grid: int) -> Iterator[tuple[slice, slice]]:
    """The parts of an image of `size` (height, width) in a grid, row by row.

    Example:
        >>> from keras_resnet.runtimes.occlusion import patches
        >>> next(patches((32, 32), grid=4))
        (slice(0, 8, None), slice(0, 8, None))
    """
    rows, columns = (_parts(side, grid) for side in size)
    return itertools.product(rows, columns)


def _parts(side: int, count: int) -> list[slice]:
    """A side of an image in this number of parts of nearly the same size."""
    borders = np.linspace(0, side, count + 1).round().astype(int).tolist()
    return [slice(start, end) for start, end in itertools.pairwise(borders)]


def occluded(image: np.ndarray, grid: int) -> Iterator[np.ndarray]:
    """Copies of an image, each with one patch of the grid in the image's mean color.

    Source: Zeiler & Fergus 2013, section 4.2, who cover a patch with gray.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.runtimes.occlusion import occluded
        >>> len(list(occluded(np.zeros((32, 32, 3), "uint8"), grid=4)))
        16
    """
    color = image.mean((0, 1)).astype(image.dtype)
    for rows, columns in patches(image.shape[:2], grid):
        covered = image.copy()
        covered[rows, columns] = color
        yield covered


def seen_part(size: tuple[int, int], view: View | None) -> tuple[float, float, float, float]:
    """The part of an image that a model sees: (left, top, width, height) as fractions of the image's sides.

    Example:
        >>> from keras_resnet.runtimes.occlusion import seen_part
        >>> from keras_resnet.view import View
        >>> seen_part((50, 100), View((32, 32)))
        (0.25, 0.0, 0.5, 1.0)
    """
    if view is None:
        return 0.0, 0.0, 1.0, 1.0
    scale = max(covered / side for covered, side in zip(view.resized, size, strict=True))
    height, width = (shown / (scale * side) for shown, side in zip(view.size, size, strict=True))
    return (1 - width) / 2, (1 - height) / 2, width, height
