"""Decodes image files: only the part of a photo that is needed, and formats that TensorFlow cannot read."""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_resnet.data.python_calls import call_python
from keras_resnet.runtimes.decoding import MAX_PIXELS, TOO_LARGE, decode_as_stored
from keras_resnet.transforms.boxes import BoxFunction, whole_box
from keras_resnet.transforms.crops import DecodedImage, LazyImage

JPEG_START, JPEG_END, PNG_START = b"\xff\xd8\xff", b"\xff\xd9", b"\x89PNG"
PNG_SIZE = 16  # where a PNG's width and height are: two big-endian int32 in its header
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
        branch = tf.searchsorted(JPEG_RATIOS[1:], fitting[None], side="right")[0]  # 0 also for a part below `size`
        return tf.switch_case(branch, [decode_at(ratio) for ratio in JPEG_RATIOS])

    def _crop_other(self, box_of):
        def png():
            sides = tf.io.decode_raw(tf.strings.substr(self.content, PNG_SIZE, 8), tf.int32, little_endian=False)
            with tf.control_dependencies([_assert_not_too_large(sides)]):
                return tf.io.decode_png(self.content, channels=3)

        def by_pillow():
            return tf.ensure_shape(call_python(decode_as_stored, [self.content], tf.uint8), self.shape)

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
    if content.startswith((JPEG_START, PNG_START)):
        try:
            return EncodedImage(tf.constant(content)).whole().numpy()
        except tf.errors.OpError:
            pass  # Pillow reads some images that TensorFlow does not, and explains what is wrong with the others
    return decode_as_stored(content)
