"""TODO data.decoding."""

import io
import pathlib
import warnings

import numpy as np
import tensorflow as tf
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from keras_resnet.errors import first_line
from keras_resnet.transforms.crops import part_of, whole

# What Pillow may read. Not all that it can: its EPS reader, for one, runs another program.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
JPEG_START, JPEG_END, PNG_START = b"\xff\xd8\xff", b"\xff\xd9", b"\x89PNG"
JPEG_RATIOS = (1, 2, 4, 8)  # libjpeg decodes at these fractions
JPEG = dict(channels=3, dct_method="INTEGER_ACCURATE")  # as Pillow and torchvision decode


def decode(encoded, box_of, size=None):
    """A part of an encoded image, in a graph: uint8 (height, width, 3).

    Of a JPEG only the part is decoded, so that damage elsewhere in its data is not seen. A JPEG that does not end as
    it should is decoded whole.

    Args:
        encoded: scalar string tensor, the content of an image file.
        box_of: function of the image's shape, an int32 tensor (height, width, 3), that gives the part as an int32
            tensor (top, left, height, width).
        size: (height, width) that the part will be resized to. A part of a JPEG at least twice, four or eight times
            as large comes out at a half, a quarter or an eighth, averaged by the decoder, which aliases less.

    Raises:
        tf.errors.InvalidArgumentError: when run, if the content is no image or a damaged one.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.data.decoding import decode
        >>> encoded = tf.io.encode_jpeg(tf.zeros((8, 6, 3), tf.uint8))
        >>> decode(encoded, lambda shape: tf.stack([0, 0, 5, shape[1]])).shape.as_list()
        [5, 6, 3]
    """

    def jpeg():
        complete = tf.equal(tf.strings.substr(encoded, -2, 2), JPEG_END)
        return tf.cond(complete, part_of_jpeg, lambda: part_of(tf.io.decode_jpeg(encoded, **JPEG), box_of))

    def part_of_jpeg():
        box = box_of(tf.io.extract_jpeg_shape(encoded))
        if size is None:
            return tf.io.decode_and_crop_jpeg(encoded, box, **JPEG)
        shrunk = [lambda ratio=ratio: _shrunk(encoded, box, ratio) for ratio in JPEG_RATIOS]
        fitting = tf.reduce_min(box[2:] // tf.constant(size))
        return tf.switch_case(tf.searchsorted(JPEG_RATIOS, fitting[None], side="right")[0] - 1, shrunk)

    def other():
        image = tf.cond(tf.equal(tf.strings.substr(encoded, 0, 4), PNG_START), png, by_pillow)
        return part_of(image, box_of)

    def png():
        return tf.io.decode_png(encoded, channels=3)

    def by_pillow():
        return tf.ensure_shape(tf.numpy_function(_decode_with_pillow, [encoded], tf.uint8), (None, None, 3))

    is_jpeg = tf.equal(tf.strings.substr(encoded, 0, 3), JPEG_START)
    return tf.ensure_shape(tf.cond(is_jpeg, jpeg, other), (None, None, 3))


def _shrunk(encoded, box, ratio):
    """The part of a JPEG that lies in `box`, at 1 / ratio of its size."""
    return tf.io.decode_and_crop_jpeg(encoded, box // ratio, ratio=ratio, **JPEG)


def decode_bytes(content: bytes) -> np.ndarray:
    """The whole image in an encoded one: uint8 (height, width, 3), as its pixels are stored.

    Raises:
        ValueError: the content is empty, damaged, no image or too large; says which.

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
            return decode(tf.constant(content), whole).numpy()
        except tf.errors.OpError:
            pass  # Pillow reads some that TensorFlow does not, and says what is wrong with the others
    return _decode_with_pillow(content)


def read_bytes(path) -> bytes:
    """The content of a file.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error


def read_image(path, channels: int = 3) -> np.ndarray:
    """Reads an image file and turns it upright: uint8 (height, width, channels).

    JPEG (progressive, grey, CMYK and YCCK, too), PNG (palette, 16 bits, ...), GIF and WebP (first frame), BMP, TIFF,
    PPM, whatever the suffix says. Alpha is dropped, 16 bits are reduced to 8, the EXIF data's orientation is applied.

    Args:
        path: of the file.
        channels: 3 for RGB, 1 for grey.

    Raises:
        ValueError: the file is missing, empty, damaged, too large or no such image; names it.

    Example:
        >>> import keras_resnet.data.decoding
        >>> image = keras_resnet.data.decoding.read_image("cat.jpg")  # doctest: +SKIP
    """
    try:
        content = read_bytes(path)
        image = Image.fromarray(decode_bytes(content))
    except ValueError as error:
        raise ValueError(f"{path} {error}.") from error
    image = _upright(image, content)
    return np.asarray(image) if channels == 3 else np.asarray(image.convert("L"))[..., None]


def _upright(image, content):
    """The image turned as the EXIF data of its file say, if they can be read."""
    try:
        with warnings.catch_warnings(action="ignore"):
            orientation = Image.open(io.BytesIO(content), formats=FORMATS).getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # whatever damaged metadata make Pillow raise; the pixels are good
        return image
    image.getexif()[ExifTags.Base.Orientation] = orientation
    return ImageOps.exif_transpose(image)


def _decode_with_pillow(content):
    """uint8 (height, width, 3); a ValueError says what is wrong with the content."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of large images and odd metadata
            image = Image.open(io.BytesIO(content), formats=FORMATS)
            image.load()
    except UnidentifiedImageError:
        raise ValueError(f"is no image of a known format ({', '.join(FORMATS)}), or damaged in its header") from None
    except Image.DecompressionBombError:
        raise ValueError(f"has more than {2 * Image.MAX_IMAGE_PIXELS:,} pixels") from None
    except Exception as error:  # each of Pillow's readers raises what it likes
        raise ValueError(f"is damaged ({first_line(error)})") from None
    if 0 in image.size:
        raise ValueError("has no pixels")
    if image.mode.startswith("I"):  # 16 bits
        image = Image.fromarray(np.uint8(np.clip(np.asarray(image, "int64") >> 8, 0, 255)))
    return np.array(image.convert("RGB"))
