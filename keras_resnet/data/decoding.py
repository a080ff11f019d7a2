"""Decodes image files: only the part of a photo that is needed, and formats that TensorFlow cannot read."""

import dataclasses
import io
import os
import pathlib
import warnings

import numpy as np
import tensorflow as tf
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from keras_resnet.data.python_calls import call_python
from keras_resnet.errors import first_line
from keras_resnet.rules import PATH, check
from keras_resnet.transforms.boxes import BoxFunction, whole_box
from keras_resnet.transforms.crops import DecodedImage, LazyImage

# The formats Pillow may read. Not all it can: its EPS reader, for example, runs another program.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
JPEG_START, JPEG_END, PNG_START = b"\xff\xd8\xff", b"\xff\xd9", b"\x89PNG"
PNG_SIZE = 16  # where a PNG's width and height are: two big-endian int32 in its header
MAX_PIXELS = 2 * 89_478_485  # of an image, against decompression bombs; Pillow's limit, too, unless a program moves it
TOO_LARGE = f"has more than {MAX_PIXELS:,} pixels"
JPEG_RATIOS = (1, 2, 4, 8)  # libjpeg can decode at 1 / these
JPEG = dict(channels=3, dct_method="INTEGER_ACCURATE")  # as Pillow and torchvision decode


@dataclasses.dataclass(frozen=True, eq=False)
class EncodedImage(LazyImage):
    """The content of an image file, a scalar string tensor, decoded in a graph to uint8 (height, width, 3).

    Decodes only the requested region of a JPEG; corruption elsewhere goes undetected. A JPEG without its end marker is
    decoded completely. A part of a JPEG that is at least two, four or eight times the size it will be resized to is
    decoded at a half, a quarter or an eighth of its size; the decoder averages pixels, which reduces aliasing.

    `crop` and `whole` raise `tf.errors.InvalidArgumentError`, when run, if the content is not an image or is damaged.
    They also do, before any pixel is decoded, if its header says that it has more than 178,956,970 pixels.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.data.decoding import EncodedImage
        >>> image = EncodedImage(tf.io.encode_jpeg(tf.zeros((8, 6, 3), tf.uint8)))
        >>> image.crop(lambda shape: tf.stack([0, 0, 5, shape[1]])).shape.as_list()
        [5, 6, 3]
    """

    content: tf.Tensor

    @property
    def shape(self) -> tf.TensorShape:
        return tf.TensorShape((None, None, 3))

    def crop(self, box_of: BoxFunction, size: tuple[int, int] | None = None) -> tf.Tensor:
        is_jpeg = tf.equal(tf.strings.substr(self.content, 0, 3), JPEG_START)
        image = tf.cond(is_jpeg, lambda: self._crop_jpeg(box_of, size), lambda: self._crop_other(box_of))
        return tf.ensure_shape(image, self.shape)

    def whole(self) -> tf.Tensor:
        return self.crop(whole_box)

    def _crop_jpeg(self, box_of, size):
        shape = tf.io.extract_jpeg_shape(self.content)

        def crop():
            box = box_of(shape)
            if size is None:
                return tf.io.decode_and_crop_jpeg(self.content, box, **JPEG)
            return self._decode_reduced(box, size)

        def decode_then_crop():
            return DecodedImage(tf.io.decode_jpeg(self.content, **JPEG)).crop(box_of)

        has_end = tf.equal(tf.strings.substr(self.content, -2, 2), JPEG_END)
        with tf.control_dependencies([_assert_not_too_large(shape[:2])]):
            return tf.cond(has_end, crop, decode_then_crop)

    def _decode_reduced(self, box, size):
        """The part inside the box, at the smallest of libjpeg's sizes that is not smaller than `size`."""

        def decode_at(ratio):
            return lambda: tf.io.decode_and_crop_jpeg(self.content, box // ratio, ratio=ratio, **JPEG)

        fitting = tf.reduce_min(box[2:] // tf.constant(size))
        branch = tf.searchsorted(JPEG_RATIOS, fitting[None], side="right")[0] - 1
        return tf.switch_case(branch, [decode_at(ratio) for ratio in JPEG_RATIOS])

    def _crop_other(self, box_of):
        def png():
            sides = tf.io.decode_raw(tf.strings.substr(self.content, PNG_SIZE, 8), tf.int32, little_endian=False)
            with tf.control_dependencies([_assert_not_too_large(sides)]):
                return tf.io.decode_png(self.content, channels=3)

        def by_pillow():
            return tf.ensure_shape(call_python(_decode_with_pillow, [self.content], tf.uint8), self.shape)

        is_png = tf.equal(tf.strings.substr(self.content, 0, 4), PNG_START)
        return DecodedImage(tf.cond(is_png, png, by_pillow)).crop(box_of)


def _assert_not_too_large(sides):
    """An operation that fails if an image with these sides, int32 (2,), has too many pixels."""
    pixels = tf.reduce_prod(tf.cast(sides, tf.int64))
    return tf.debugging.Assert(pixels <= MAX_PIXELS, [TOO_LARGE])


def decode_bytes(content: bytes) -> np.ndarray:
    """Decodes a whole image to uint8 (height, width, 3), without applying its EXIF orientation.

    Args:
        content: of an image file.

    Raises:
        ValueError: the content is empty, damaged, not an image or too large; the message says which.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.data.decoding import decode_bytes
        >>> decode_bytes(tf.io.encode_png(tf.zeros((8, 6, 3), tf.uint8)).numpy()).shape
        (8, 6, 3)
    """
    if not content:
        raise ValueError("is empty")
    if content.startswith((JPEG_START, PNG_START)):
        try:
            return EncodedImage(tf.constant(content)).whole().numpy()
        except tf.errors.OpError:
            pass  # Pillow reads some images that TensorFlow does not, and explains what is wrong with the others
    return _decode_with_pillow(content)


def read_bytes(path: str | os.PathLike) -> bytes:
    """The content of a file.

    Raises:
        ValueError: the file cannot be read.
    """
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error


def printable(path: str | os.PathLike) -> str:
    r"""A path as text that can be printed and written as UTF-8: other bytes of its name become `\xNN`.

    Example:
        >>> from keras_resnet.data.decoding import printable
        >>> print(printable("caf\udce9.jpg"))  # how Python spells the file name b"caf\xe9.jpg"
        caf\xe9.jpg
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def read_image(path: str | os.PathLike, channels: int = 3) -> np.ndarray:
    """Reads an image file as uint8 (height, width, channels), upright.

    Supports JPEG (including progressive, grayscale, CMYK and YCCK), PNG (including palette and 16 bits), GIF and WebP
    (first frame), BMP, TIFF and PPM; the file's suffix does not matter. Drops alpha, reduces 16 bits to 8 and applies
    the EXIF orientation.

    Args:
        path: of the file.
        channels: 3 for RGB, 1 for grayscale.

    Raises:
        ValueError: the file is missing, empty, damaged, too large or not a supported image; the message names it.

    Example:
        >>> import keras_resnet.data.decoding
        >>> image = keras_resnet.data.decoding.read_image("cat.jpg")  # doctest: +SKIP
    """
    check("image", path, PATH)
    try:
        return decode_image(read_bytes(path), channels)
    except ValueError as error:
        raise ValueError(f"{printable(path)} {error}.") from error


def decode_image(content: bytes, channels: int = 3) -> np.ndarray:
    """Decodes the content of an image file as `read_image` does.

    Raises:
        ValueError: as `decode_bytes`.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.data.decoding import decode_image
        >>> decode_image(tf.io.encode_png(tf.zeros((8, 6, 3), tf.uint8)).numpy(), channels=1).shape
        (8, 6, 1)
    """
    image = _upright(Image.fromarray(decode_bytes(content)), content)
    return np.asarray(image) if channels == 3 else np.asarray(image.convert("L"))[..., None]


def _upright(image, content):
    """Applies the orientation in the EXIF data of the image's file, if they are readable."""
    try:
        with warnings.catch_warnings(action="ignore"):
            orientation = _orientation(Image.open(io.BytesIO(content), formats=FORMATS))
    except Exception:  # Pillow raises errors of any type for damaged metadata; the pixels are good
        return image
    return _turn(image, orientation)


def _orientation(image):
    """The EXIF orientation of an image: 1 for upright, to 8."""
    return image.getexif().get(ExifTags.Base.Orientation, 1)


def _turn(image, orientation):
    """Turns an image whose pixels are stored in an EXIF orientation upright."""
    image.getexif()[ExifTags.Base.Orientation] = orientation
    return ImageOps.exif_transpose(image)


def _decode_with_pillow(content):
    """Decodes to uint8 (height, width, 3); raises a ValueError that says what is wrong with the content."""
    try:
        with warnings.catch_warnings(action="ignore"):  # about large images and odd metadata
            opened = Image.open(io.BytesIO(content), formats=FORMATS)
            too_large = opened.width * opened.height > MAX_PIXELS
            image = None if too_large else _load_as_stored(opened)
    except UnidentifiedImageError:
        formats = ", ".join(FORMATS)
        raise ValueError(f"is not an image in a known format ({formats}), or its header is damaged") from None
    except Image.DecompressionBombError:
        raise ValueError(TOO_LARGE) from None
    except Exception as error:  # Pillow's readers raise errors of any type
        raise ValueError(f"is damaged ({first_line(error)})") from None
    if image is None:
        raise ValueError(TOO_LARGE)
    if 0 in image.size:
        raise ValueError("has no pixels")
    if image.mode.startswith("I"):  # 16 bits
        image = Image.fromarray(np.clip(np.asarray(image, "int64") >> 8, 0, 255).astype("uint8"))
    return np.array(image.convert("RGB"))


def _load_as_stored(image):
    """Loads the pixels of an opened image, in the order in which its file stores them."""
    if image.format != "TIFF":
        image.load()
        return image
    stored = _orientation(image)
    image.load()  # turns a TIFF upright, and then forgets its orientation
    turned = stored if _orientation(image) != stored else 1
    return _turn(image, {6: 8, 8: 6}.get(turned, turned))  # every other orientation is its own inverse
