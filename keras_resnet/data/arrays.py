"""Arrays of images and labels -> the `Arrays` of each split."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_resnet.data.examples import Arrays

MAX_CLASSES = 1_000_000  # more are a mistake, and would need names that fill the memory


def from_arrays(split: str, images: Any, labels: Any) -> tuple[Arrays, int]:
    """The examples of a split, and the number of its classes: as far as the labels tell.

    Args:
        split: its name, for messages.
        images: (N, H, W, C), RGB or grayscale, in 0 to 255.
        labels: class numbers from 0, (N,) or (N, 1), or one-hot (N, classes).

    Raises:
        ValueError: images and labels have another form or range, or do not match.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.data.arrays import from_arrays
        >>> from_arrays("train", np.zeros((2, 8, 8, 3), "uint8"), [[0, 0, 1], [0, 1, 0]])
        (Arrays(2 images, 8x8x3), 3)
    """
    images, labels = _array(images, f"{split} images"), _array(labels, f"{split} labels")
    if images.size == 0 or labels.size == 0:
        raise ValueError(f"The {split} split is empty.")
    if images.ndim != 4:
        raise ValueError(f"The {split} images have the shape {images.shape}; it must be (N, height, width, channels).")
    if labels.ndim not in (1, 2) or len(labels) != len(images):
        raise ValueError(
            f"The {split} split has images of shape {images.shape} and labels of shape {labels.shape}; "
            "there must be one class number for each image."
        )
    numbers, classes = class_numbers(labels, split)
    images = as_pixels(images, split)
    check_range(images.dtype, images.min(), images.max(), split)
    return Arrays(images, numbers), classes


def _array(values, what):
    try:
        return np.asarray(values)
    except ValueError:  # lists of different lengths
        raise ValueError(f"The {what} differ in shape; they must form one array.") from None


def as_pixels(images: np.ndarray, split: str) -> np.ndarray:
    """Images (N, H, W, C): uint8 unchanged, other numbers as float32.

    Raises:
        ValueError: they are not grayscale or RGB images, or not finite numbers.
    """
    if images.shape[-1] not in (1, 3):
        raise ValueError(
            f"The {split} images have {images.shape[-1]} channels; they must have 3 (RGB) or 1 (grayscale)."
        )
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind not in "uif":
        raise ValueError(f"The {split} images are {images.dtype}; they must be numbers in 0 to 255.")
    images = images.astype("float32")
    if not np.isfinite(images).all():
        raise ValueError(f"The {split} images contain NaN or infinity.")
    return images


def check_range(dtype: Any, low: float, high: float, split: str) -> None:
    """Checks the smallest and largest value of images.

    Raises:
        ValueError: they do not span 0 to 255.
    """
    if dtype == np.uint8 or (low >= 0 and 1 < high <= 255):
        return
    scale = " Multiply them by 255." if low >= 0 and 0 < high <= 1 else ""
    raise ValueError(
        f"The {split} images span {low:g} to {high:g}; they must be RGB or grayscale values in 0 to 255, which the "
        f"model normalizes itself.{scale}"
    )


def class_numbers(labels: np.ndarray, split: str) -> tuple[np.ndarray, int]:
    """The class numbers, int32 (N,), of labels (N,), (N, 1) or one-hot (N, classes), and the number of classes.

    Raises:
        ValueError: the labels are not class numbers from 0, or not one-hot.
    """
    if labels.dtype.kind not in "biuf":
        raise ValueError(f"The {split} labels are {labels.dtype}; they must be integer class numbers from 0.")
    if labels.ndim == 2 and labels.shape[1] > 1:
        if not (((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all()):
            raise ValueError(
                f"The {split} labels of shape {labels.shape} are not one-hot; give class numbers, and for soft labels "
                "the recipe's label_smoothing, mixup or cutmix."
            )
        return labels.argmax(axis=1).astype("int32"), labels.shape[1]
    labels = labels.reshape(-1)
    if labels.dtype.kind not in "iu":
        raise ValueError(f"The {split} labels are {labels.dtype}; they must be integer class numbers from 0.")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= MAX_CLASSES:
        raise ValueError(
            f"The {split} labels span {low} to {high}; they must be class numbers from 0, below {MAX_CLASSES:,}."
        )
    return labels.astype("int32"), high + 1


def names_of_classes(class_names: Sequence[str] | None, classes: Mapping[str, int]) -> tuple[str, ...]:
    """The given class names, or "0", "1", ...

    Args:
        class_names: as given by the user.
        classes: the number of classes of each split.

    Raises:
        ValueError: they are not different strings, or fewer than the classes.
    """
    if class_names is None:
        return tuple(map(str, range(max(classes.values()))))
    names = tuple(class_names) if isinstance(class_names, Iterable) else ()
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ValueError("class_names must be a list of different strings, one for each class.")
    for name in names:
        if name.splitlines() != [name]:  # labels.txt has a line for each class
            raise ValueError(f"The class name {name!r} is empty or has a line break; class_names must be single lines.")
    for split, count in classes.items():
        if count > len(names):
            raise ValueError(
                f"The {split} labels span 0 to {count - 1}, but there are {len(names)} classes, numbered from 0."
            )
    return names
