"""Images of requests as arrays for a model: encoded files and numbers."""

import base64
import binascii
import dataclasses
import io
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from keras_resnet.errors import shown
from keras_resnet.runtimes import Metadata
from keras_resnet.runtimes.artifact import CHANNELS
from keras_resnet.runtimes.decoding import FORMATS, decode_image
from keras_resnet.runtimes.image_sources import checked_image
from keras_resnet.runtimes.quiet_pillow import quiet_pillow
from keras_resnet.runtimes.views import center_view
from keras_resnet.serving.limits import MAX_PIXELS, MAX_SEEN_PIXELS

S = TypeVar("S")
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class EncodedImage:
    """The content of an image file, of which the model sees its view."""

    content: bytes

    def array(self, metadata: Metadata) -> np.ndarray:
        """What the model sees, uint8 (height, width, channels).

        Raises:
            ValueError: the image cannot be decoded, or has too many pixels.
        """
        return viewed(self.pixels(metadata), metadata)

    def pixels(self, metadata: Metadata) -> np.ndarray:
        """The upright image, uint8 (height, width, channels).

        Raises:
            ValueError: the image cannot be decoded, has too many pixels, or the model takes other channels than files
                have.
        """
        channels = metadata.image_shape[-1]
        if channels not in CHANNELS:
            raise ValueError(f"is a file, but {metadata.name} takes images of {channels} channels; send numbers")
        _check_pixels(self.content)
        return decode_image(self.content, channels)


def _check_pixels(content: bytes) -> None:
    """Checks the size in an image's header, before any pixel is decoded.

    Raises:
        ValueError: the image has too many pixels.
    """
    try:
        with quiet_pillow():
            width, height = Image.open(io.BytesIO(content), formats=FORMATS).size
    except Exception:  # Pillow's readers raise errors of any type; `decode_image` says what is wrong
        return
    if width * height > MAX_PIXELS:
        raise ValueError(f"has {width} x {height} pixels; this service takes at most {MAX_PIXELS:,}")


@dataclasses.dataclass(frozen=True)
class NumberImage:
    """Numbers in 0 to 255, (height, width, channels).

    The model sees them as they are if they have its size, else their view, as in an exported SavedModel.
    """

    numbers: np.ndarray

    def array(self, metadata: Metadata) -> np.ndarray:
        """What the model sees, float32 (height, width, channels).

        Raises:
            ValueError: they are not an image in 0 to 255 with the model's number of channels.
        """
        return fitting(checked_image(self.numbers), metadata)


def as_array(numbers: Any) -> np.ndarray:
    """Nested lists of numbers as an array.

    Raises:
        ValueError: they are ragged, or contain something else.
    """
    try:
        values = np.asarray(numbers, object)  # in an array of texts, each would take the memory of the longest
        types = set(map(type, values.flat))
        if list in types:
            raise ValueError
        array = values.astype("int64" if types == {int} else "float64") if types <= {int, float} else None
    except (ValueError, OverflowError):
        raise ValueError("has rows of different lengths, or numbers that are too large") from None
    if array is None:
        others = ", ".join(sorted(kind.__name__ for kind in types - {int, float}))
        raise ValueError(f"has values of type {others}, not numbers in 0 to 255")
    return array


def viewed(pixels: np.ndarray, metadata: Metadata) -> np.ndarray:
    """What the model sees of an upright image: its view; the whole image if it has none.

    Raises:
        ValueError: as `whole`.
    """
    view = metadata.default_view
    return center_view(pixels, view) if view else whole(pixels, metadata)


def fitting(image: np.ndarray, metadata: Metadata) -> np.ndarray:
    """The image (height, width, channels), or its view if the model does not take its size.

    Raises:
        ValueError: it has another number of channels; or as `whole`.
    """
    channels = metadata.image_shape[-1]
    if image.shape[-1] != channels:
        raise ValueError(f"has {image.shape[-1]} channels, but the model takes {channels}")
    return whole(image, metadata) if _fits(image, metadata) else viewed(image, metadata)


def whole(image: np.ndarray, metadata: Metadata) -> np.ndarray:
    """The image (height, width, channels), if the model takes its size.

    Raises:
        ValueError: the model does not, or the image is too large for any model.
    """
    height, width, _ = image.shape
    if not _fits(image, metadata):
        sides = " x ".join("any" if side is None else str(side) for side in metadata.image_shape[1::-1])
        raise ValueError(f"has {width} x {height} pixels, but the model takes {sides}")
    if height * width > MAX_SEEN_PIXELS:
        raise ValueError(
            f"has {width} x {height} pixels, and this model takes whole images: at most {MAX_SEEN_PIXELS:,} pixels"
        )
    return image


def _fits(image: np.ndarray, metadata: Metadata) -> bool:
    return all(known in (None, side) for side, known in zip(image.shape, metadata.image_shape, strict=True))


def from_base64(text: Any) -> EncodedImage:
    """The image of a base64 text.

    Raises:
        ValueError: it is not base64.
    """
    if not isinstance(text, str):
        raise ValueError(f"must be base64 text, not {shown(text)}")
    try:
        return EncodedImage(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"is not valid base64 ({error})") from None


def named_images(values: Sequence[T], make: Callable[[T], S]) -> list[S]:
    """What `make` returns for each image of a request.

    Raises:
        ValueError: as `make`; the message names the image.
    """
    made = []
    for index, value in enumerate(values):
        try:
            made.append(make(value))
        except ValueError as error:
            raise ValueError(f"{subject(index, len(values))} {error}") from None
    return made


def subject(index: int, count: int) -> str:
    """How messages name an image among all of a request."""
    return f"Image {index}" if count > 1 else "The image"
