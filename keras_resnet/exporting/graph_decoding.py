"""Decodes image files inside a TensorFlow graph, by standard operations alone, as `predict` decodes them.

Unlike `keras_resnet.data.decoding`, which asks Pillow for what TensorFlow cannot read, a graph runs without Python.
"""

import tensorflow as tf

from keras_resnet.data.decoding import JPEG, JPEG_START, PNG_START
from keras_resnet.exporting.graph_orientation import jpeg_orientation, png_orientation, upright
from keras_resnet.exporting.graph_reading import search, text, unsigned
from keras_resnet.runtimes.decoding import MAX_PIXELS, TOO_LARGE

GIF_START, BMP_START = b"GIF8", b"BM"
PALETTE_START, COLOR_BYTES = 14, 4  # in a BMP: after the file header; blue, green, red, 0
LUMINANCE = (19_595, 38_470, 7_471)  # of red, green, blue, of 65,536: as Pillow converts to grayscale


def decode(content: tf.Tensor, channels: int = 3) -> tf.Tensor:
    """An image file as pixels, upright: uint8 (height, width, channels).

    Reads JPEG (also CMYK), PNG, GIF (the first frame) and BMP (8 bits with a palette, 24 or 32 bits). Alpha is dropped,
    16 bits become 8, and EXIF orientations of JPEG and PNG are applied.

    Args:
        content: of the file, a scalar string.
        channels: 3 for RGB, 1 for grayscale.

    Errors, when the graph runs: `tf.errors.InvalidArgumentError` if the content is empty, damaged, in another format or
    of more than 178,956,970 pixels.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.exporting.graph_decoding import decode
        >>> decode(tf.io.encode_png(tf.zeros((8, 6, 4), tf.uint8))).shape.as_list()
        [8, 6, 3]
    """
    readers = [(JPEG_START, _jpeg), (PNG_START, _png), (GIF_START, _gif), (BMP_START, _bmp)]
    matches = [tf.equal(tf.strings.substr(content, 0, len(start)), start) for start, _ in readers]
    known = tf.debugging.Assert(
        tf.reduce_any(matches), ["The image is not a JPEG, PNG, GIF or BMP file, or its header is damaged."]
    )
    with tf.control_dependencies([known]):
        branch = tf.argmax(tf.cast(matches, tf.int32), output_type=tf.int32)
    image = tf.switch_case(branch, [lambda read=read: read(content) for _, read in readers])
    image = tf.ensure_shape(image, (None, None, 3))
    return image if channels == 3 else _gray(image)


def _jpeg(content):
    with tf.control_dependencies([_not_too_large(tf.unstack(tf.io.extract_jpeg_shape(content)[:2]))]):
        return upright(tf.io.decode_jpeg(content, **JPEG), jpeg_orientation(content))


def _png(content):
    sides = [unsigned(content, position, 4, "big") for position in (16, 20)]
    with tf.control_dependencies([_not_too_large(sides)]):
        return upright(tf.io.decode_png(content, channels=3), png_orientation(content))


def _gif(content):
    sides = [unsigned(content, position, 2, "little") for position in (6, 8)]
    with tf.control_dependencies([_not_too_large(sides)]):
        return tf.io.decode_image(_opaque(content), channels=3, expand_animations=False)


def _opaque(content):
    """A GIF without the transparency of its first frame, whose pixels TensorFlow would paint black."""

    def byte(position):
        return unsigned(content, position, 1, "little")

    def is_other_extension(position):
        return (byte(position) == 0x21) & (byte(position + 1) != 0xF9)

    def next_block(position):
        return 1 + search(position + 2, lambda part: byte(part) != 0, lambda part: part + 1 + byte(part))

    flags = byte(10)
    palette = tf.where(flags >= 0x80, 3 * 2 ** (flags % 8 + 1), 0)
    position = search(13 + palette, is_other_extension, next_block)
    even = tf.gather([bytes([value & 0xFE]) for value in range(256)], byte(position + 3))
    changed = tf.strings.join([text(content, 0, position + 3), even, text(content, position + 4, tf.int64.max)])
    return tf.where(byte(position) == 0x21, changed, content)


def _bmp(content):
    """TensorFlow takes the indices of a palette for shades of gray, and reads other kinds of BMP wrongly."""

    def at(position, width):
        return unsigned(content, position, width, "little")

    header, bits, compression = at(14, 4), at(28, 2), at(30, 4)
    known = (header >= 40) & (compression == 0) & tf.reduce_any(bits == (8, 24, 32))
    message = "The BMP image is compressed or does not have 8, 24 or 32 bits; convert it to PNG."
    height = tf.cast(at(22, 4), tf.int32)  # below 0 if the first row comes first
    with tf.control_dependencies([tf.debugging.Assert(known, [message]), _not_too_large([at(18, 4), tf.abs(height)])]):
        pixels = tf.io.decode_bmp(content)
        return tf.cond(bits == 8, lambda: _of_palette(content, pixels, header), lambda: pixels[..., :3])


def _of_palette(content, indices, header):
    start = PALETTE_START + header
    end = unsigned(content, 10, 4, "little")  # where the pixels start
    stored = tf.io.decode_raw(text(content, start, end - start), tf.uint8)
    palette = tf.reverse(tf.reshape(stored[: 256 * COLOR_BYTES], (-1, COLOR_BYTES))[:, :3], [1])
    return tf.gather(palette, tf.cast(indices[..., 0], tf.int32))


def _not_too_large(sides):
    """An operation that fails if an image with these two sides has too many pixels."""
    pixels = tf.reduce_prod([tf.cast(side, tf.int64) for side in sides])
    return tf.debugging.Assert((pixels > 0) & (pixels <= MAX_PIXELS), [f"The image {TOO_LARGE}, or none."])


def _gray(image):
    weighted = tf.reduce_sum(tf.cast(image, tf.int32) * LUMINANCE, axis=-1, keepdims=True)
    return tf.cast((weighted + 0x8000) // 0x10000, tf.uint8)
