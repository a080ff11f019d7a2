"""The part of an image that a model is tested on, in NumPy: the same pixels as those of `transforms.views`."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from keras_resnet.view import View

ELONGATION = 8  # long side / short side beyond which an image is not resized as a whole
BLOCK = 16  # rows of the result that are computed together: fast for BLAS, with few weights that are 0


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
    return Taps(first.astype("int64"), weights * (np.float32(1) / weights.sum(axis=1, keepdims=True)))


def _resampled(image: np.ndarray, rows: Taps, columns: Taps) -> np.ndarray:
    """The weighted means of rows, then of columns: float32 (height, width, C)."""
    left, right = _extent(columns, image.shape[1])
    image = image[:, left:right]
    means = _means(image, rows)
    means = _means(np.ascontiguousarray(means.swapaxes(0, 1)), Taps(columns.first - left, columns.weights))
    return means.swapaxes(0, 1)


def _extent(taps: Taps, side: int) -> tuple[int, int]:
    return int(taps.first.min()), min(int(taps.first.max()) + taps.weights.shape[1], side)


def _means(image: np.ndarray, taps: Taps) -> np.ndarray:
    """The weighted means of rows, by one matrix product for each block of the result."""
    size, number = taps.weights.shape
    means = np.empty((size, *image.shape[1:]), "float32")
    for start in range(0, size, BLOCK):
        block = Taps(*(values[start : start + BLOCK] for values in taps))
        low, high = _extent(block, len(image))
        matrix = np.zeros((len(block.first), int(block.first.max()) + number - low), "float32")
        np.put_along_axis(matrix, (block.first - low)[:, None] + np.arange(number), block.weights, axis=1)
        pixels = image[low:high].astype("float32").reshape(high - low, -1)
        np.matmul(matrix[:, : high - low], pixels, out=means[start : start + BLOCK].reshape(len(matrix), -1))
    return means


def _rounded(resized: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return np.clip(np.rint(resized), 0, 255).astype(dtype) if dtype == np.uint8 else resized
