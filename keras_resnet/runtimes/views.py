"""The part of an image that a model is tested on, in NumPy. Its pixels equal those of `transforms.views` to the bit."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from keras_resnet.view import View

ELONGATION = 8  # long side / short side beyond which an image is not resized as a whole
BLOCK_BYTES = 2**18  # of the result are computed together: they stay in a core's cache


class Kernel(NamedTuple):
    """An interpolation: weights as a function of distances in pixels, and the distance beyond which they are 0."""

    weights: Callable[[np.ndarray], np.ndarray]
    radius: int


class Taps(NamedTuple):
    """The pixels of an axis that each pixel of the result is a weighted mean of.

    Attributes:
        first: the first of them, int64 (size,).
        weights: of the first and those that follow, float32 (size, number).
    """

    first: np.ndarray
    weights: np.ndarray


def _triangle(distances):
    return np.maximum(0, 1 - np.abs(distances))


def _keys_cubic(distances):
    """Source: Keys 1981, "Cubic convolution interpolation for digital image processing", with a = -0.5."""
    x = np.abs(distances)
    near, far = ((1.5 * x - 2.5) * x) * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


KERNELS = {"bilinear": Kernel(_triangle, 1), "bicubic": Kernel(_keys_cubic, 2)}


def center_view(image: np.ndarray, view: View) -> np.ndarray:
    """The resized center crop of an image: (height, width, C), of the same type.

    Only the pixels that the crop depends on are resized.

    Args:
        image: (H, W, C), uint8 or float32.
        view: the size of the crop, and how it is resized.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.runtimes.views import center_view
        >>> from keras_resnet.view import View
        >>> center_view(np.zeros((60, 80, 3), "uint8"), View((32, 32))).shape
        (32, 32, 3)
    """
    sides, covering = image.shape[:2], _covering_size(image.shape[:2], view.resized)
    corner = [round((side - size) / 2) for side, size in zip(covering, view.size, strict=True)]  # a half to even
    if covering == sides:
        (top, left), (height, width) = corner, view.size
        return image[top : top + height, left : left + width]
    elongated = math.prod(covering) > ELONGATION * math.prod(view.resized)
    taps_of = _taps_of_part if elongated else _taps_of_whole
    rows, columns = map(taps_of, sides, covering, corner, view.size, [KERNELS[view.interpolation]] * 2)
    return _rounded(_resampled(image, rows, columns), image.dtype)


def _covering_size(sides: tuple[int, ...], size: tuple[int, int]) -> tuple[int, int]:
    """The smallest (height, width) that covers `size` with the image's aspect ratio."""
    height, width = sides
    if size[0] * width >= size[1] * height:
        return size[0], size[0] * width // height
    return size[1] * height // width, size[1]


def _taps_of_whole(side: int, covering: int, corner: int, size: int, kernel: Kernel) -> Taps:
    """The taps of a crop of an axis that is resized as a whole, in the same arithmetic."""
    return _taps(np.arange(corner, corner + size), side, covering / side, 0.0, kernel)


def _taps_of_part(side: int, covering: int, corner: int, size: int, kernel: Kernel) -> Taps:
    """The taps of a crop of a long axis, in numbers near the crop, whose float32 is exact enough."""
    scale = covering / side
    reach = kernel.radius * max(1 / scale, 1) + 1
    start, end = max(math.floor(corner / scale - reach), 0), min(math.ceil((corner + size) / scale + reach), side)
    first, weights = _taps(np.arange(size), end - start, scale, start * scale - corner, kernel)
    return Taps(first + start, weights)


def _taps(outputs: np.ndarray, side: int, scale: float, translation: float, kernel: Kernel) -> Taps:
    """The taps of these pixels of the result, in the float32 arithmetic of TensorFlow's ScaleAndTranslate."""
    inverse = np.float32(1) / np.float32(scale)
    centers = (outputs.astype("float32") + np.float32(0.5)) * inverse - inverse * np.float32(translation)
    width = max(inverse, np.float32(1))  # the kernel is wider where the image shrinks: antialiasing
    reach = np.float32(kernel.radius) * width
    first = np.clip(np.ceil(centers - reach - np.float32(0.5)), 0, side - 1)
    last = np.clip(np.floor(centers + reach - np.float32(0.5)), 0, side - 1)
    positions = first[:, None] + np.arange(int((last - first).max()) + 1, dtype="float32")
    weights = kernel.weights((positions + np.float32(0.5) - centers[:, None]) * (np.float32(1) / width))
    weights = np.where(positions <= last[:, None], weights, 0).astype("float32")
    sums = weights.cumsum(axis=1, dtype="float32")[:, -1:]  # one after the other, unlike np.sum
    return Taps(first.astype("int64"), weights * (np.float32(1) / sums))


def _resampled(image: np.ndarray, rows: Taps, columns: Taps) -> np.ndarray:
    """The weighted means of rows, then of columns: float32 (height, width, C)."""
    left, right = int(columns.first.min()), int(columns.first.max()) + columns.weights.shape[1]
    means = _means(image[:, left:right], rows)
    means = _means(np.ascontiguousarray(means.swapaxes(0, 1)), Taps(columns.first - left, columns.weights))
    return means.swapaxes(0, 1)


def _means(image: np.ndarray, taps: Taps) -> np.ndarray:
    """The weighted means of rows, summed up in ScaleAndTranslate's order."""
    size, number = taps.weights.shape
    means = np.zeros((size, *image.shape[1:]), "float32")
    block = max(BLOCK_BYTES // means[0].nbytes, 1)
    for start in range(0, size, block):
        part = slice(start, start + block)
        first, weights = taps.first[part], taps.weights[part, :, None, None]
        for tap in range(number):
            pixels = image[np.minimum(first + tap, len(image) - 1)].astype("float32")
            pixels *= weights[:, tap]
            means[part] += pixels
    return means


def _rounded(resized: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return np.clip(np.rint(resized), 0, 255).astype(dtype) if dtype == np.uint8 else resized
