"""Images in all the forms in which `predict` takes them, as arrays."""

import dataclasses
import glob
import os
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from PIL import Image

from keras_resnet.rules import PATH
from keras_resnet.runtimes.decoding import SUFFIXES, decode_image, read_image, upright_rgb

LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R 601, as Pillow converts to grayscale
FORMS = "a path, an array, a PIL image, or the bytes of an image file"


@dataclasses.dataclass(frozen=True, eq=False)
class ImageSource:
    """An image that is not decoded yet.

    Attributes:
        content: a path, an array, a PIL image, or the bytes of an image file.
        position: its position among the images, from 0, to name it if it has no path.
    """

    content: Any
    position: int

    @property
    def path(self) -> str | os.PathLike | None:
        """The path of the image, or None."""
        return self.content if isinstance(self.content, (str, os.PathLike)) else None

    def load(self, channels: int) -> np.ndarray:
        """The image, upright, (height, width, channels), uint8 or float32 in 0 to 255.

        Raises:
            ValueError: it cannot be read; the message names it.
        """
        if self.path is not None:
            if channels not in (1, 3):
                raise ValueError(f"{self.path} has red, green and blue, but the model takes {channels} channels.")
            return read_image(self.path, channels)
        try:
            return _load(self.content, channels)
        except ValueError as error:
            raise ValueError(f"Image {self.position} {error}.") from error


def image_sources(images: Any) -> Iterator[ImageSource]:
    """The images of a path, folder, pattern, array or image, or of an iterable of these, one at a time."""
    return (ImageSource(content, position) for position, content in enumerate(_contents(images)))


def _contents(images: Any) -> Iterator[Any]:
    if isinstance(images, (str, os.PathLike)):
        yield from _paths(images)
    elif isinstance(images, (bytes, bytearray, memoryview, Image.Image)):
        yield images
    elif hasattr(images, "__array__") and not _is_list_of_paths(images):
        yield from images if np.ndim(images) == 4 else [images]
    elif isinstance(images, Iterable) and not isinstance(images, dict):
        for image in images:
            yield from _contents(image)
    else:
        yield images


def _is_list_of_paths(array: Any) -> bool:
    return np.asarray(array).dtype.kind in "OU" and np.ndim(array) == 1


def _paths(path: str | os.PathLike) -> Iterator[str | os.PathLike]:
    """The path itself, or the sorted images below a folder, or the sorted files that match a pattern."""
    if not PATH.holds(path):  # it counts as an image that cannot be read
        yield path
        return
    expanded = os.path.expanduser(path)  # noqa: PTH111 (pathlib.Path drops a trailing slash)
    if pathlib.Path(expanded).is_dir():
        found = sorted(file for file in pathlib.Path(expanded).rglob("*") if file.name.lower().endswith(SUFFIXES))
        if not found:
            raise ValueError(f"The folder {path} contains no images ({', '.join(SUFFIXES)}).")
        yield from found
    elif glob.has_magic(str(expanded)) and not pathlib.Path(expanded).exists():
        found = sorted(map(pathlib.Path, glob.glob(str(expanded), recursive=True)))  # noqa: PTH207 (absolute patterns)
        if not found:
            raise ValueError(f"No file matches {path}.")
        for match in found:
            yield from _paths(match)
    else:
        yield path if expanded == os.fspath(path) else expanded


def _load(content: Any, channels: int) -> np.ndarray:
    if isinstance(content, (bytes, bytearray, memoryview)):
        return decode_image(bytes(content), channels)
    if isinstance(content, Image.Image):
        return _with_channels(checked_image(upright_rgb(content)), channels)
    if not hasattr(content, "__array__"):
        raise ValueError(f"is not {FORMS}, but {type(content).__name__}")
    return _with_channels(checked_image(np.asarray(content)), channels)


def checked_image(image: np.ndarray) -> np.ndarray:
    """An array as (height, width, channels), uint8 or float32, with values in 0 to 255.

    Raises:
        ValueError: it is not an image, or its values are not in this range.
    """
    image = image[..., None] if image.ndim == 2 else image
    if image.ndim != 3 or 0 in image.shape:
        raise ValueError(f"has the shape {image.shape}, not (height, width, channels)")
    if image.dtype == np.uint8:
        return image
    if image.dtype.kind not in "iuf":
        raise ValueError(f"has values of type {image.dtype}, not numbers in 0 to 255")
    low, high = float(image.min()), float(image.max())
    if not (low >= 0 and high <= 255):  # also NaN
        raise ValueError(f"has values from {low:g} to {high:g}, not in 0 to 255")
    if image.dtype.kind == "f" and 0 < high <= 1:
        raise ValueError(f"has values up to {high:g}; multiply it by 255, since models take values in 0 to 255")
    return image.astype("float32")


def _with_channels(image: np.ndarray, channels: int) -> np.ndarray:
    """Converts gray, RGB and RGBA to gray or RGB as image files are converted: alpha is dropped."""
    have = image.shape[-1]
    if have == channels:
        return image
    if have not in (1, 3, 4) or channels not in (1, 3):
        raise ValueError(f"has {have} channels, but the model takes {channels}")
    if have == 1:
        return np.repeat(image, channels, axis=-1)
    color = image[..., :3]
    if channels == 3:
        return color
    if color.dtype == np.uint8:
        return np.asarray(Image.fromarray(color).convert("L"))[..., None]
    return (color @ np.asarray(LUMINANCE, "float32"))[..., None]
