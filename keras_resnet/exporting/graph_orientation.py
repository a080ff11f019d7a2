"""Finds and applies the EXIF orientation of an image inside a TensorFlow graph.

Source: CIPA DC-008-2023 (Exif 3.0), sections 4.5 and 4.6.
"""

import tensorflow as tf

from keras_resnet.exporting.graph_reading import search, text, unsigned

ORIENTATION = 0x0112  # the tag
ENTRIES, ENTRY = 2, 12  # where a directory's entries start, and their size
# Which of the stored pixels' axes to exchange and to reverse, for orientations 1 to 8.
TRANSPOSED = (False, False, False, False, True, True, True, True)
ROWS_REVERSED = (False, False, True, True, False, False, True, True)
COLUMNS_REVERSED = (False, True, True, False, False, True, True, False)


def upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns an image whose pixels are stored in an EXIF orientation, 1 to 8, upright.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.exporting.graph_orientation import upright
        >>> upright(tf.zeros((8, 6, 3), tf.uint8), tf.constant(6)).shape.as_list()
        [6, 8, 3]
    """

    def turned():
        transposed, rows, columns = (
            tf.gather(flags, orientation - 1) for flags in (TRANSPOSED, ROWS_REVERSED, COLUMNS_REVERSED)
        )
        pixels = tf.cond(transposed, lambda: tf.transpose(image, (1, 0, 2)), lambda: image)
        return tf.reverse(pixels, tf.boolean_mask([0, 1], tf.stack([rows, columns])))

    return tf.cond(orientation == 1, lambda: image, turned)


def jpeg_orientation(content: tf.Tensor) -> tf.Tensor:
    """The EXIF orientation of a JPEG file, int32: 1 for upright, also if it has none or a damaged one.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.exporting.graph_orientation import jpeg_orientation
        >>> int(jpeg_orientation(tf.io.encode_jpeg(tf.zeros((8, 6, 3), tf.uint8))))
        1
    """

    def is_other_segment(position):
        marker = unsigned(content, position, 2, "big")
        is_exif = (marker == 0xFFE1) & tf.equal(text(content, position + 4, 6), b"Exif\0\0")
        return (marker > 0xFF00) & (marker != 0xFFDA) & ~is_exif  # 0xFFDA: the pixels start

    def next_segment(position):
        return position + 2 + tf.maximum(unsigned(content, position + 2, 2, "big"), 2)

    position = search(2, is_other_segment, next_segment)
    found = unsigned(content, position, 2, "big") == 0xFFE1
    return tf.cond(found, lambda: _of_exif(content, position + 10), lambda: 1)


def png_orientation(content: tf.Tensor) -> tf.Tensor:
    """The EXIF orientation of a PNG file, likewise.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.exporting.graph_orientation import png_orientation
        >>> int(png_orientation(tf.io.encode_png(tf.zeros((8, 6, 3), tf.uint8))))
        1
    """

    def kind(position):
        return text(content, position + 4, 4)

    def is_other_chunk(position):
        return ~tf.reduce_any([tf.equal(kind(position), name) for name in (b"eXIf", b"IEND", b"")])

    def next_chunk(position):
        return position + 12 + unsigned(content, position, 4, "big")

    position = search(8, is_other_chunk, next_chunk)
    return tf.cond(tf.equal(kind(position), b"eXIf"), lambda: _of_exif(content, position + 8), lambda: 1)


def _of_exif(content, start):
    """The orientation in EXIF data, which start with a TIFF header: "II" or "MM" for the order of bytes."""
    is_little = tf.equal(text(content, start, 2), b"II")
    return tf.cond(
        is_little,
        lambda: _of_directory(content, start, "little"),
        lambda: _of_directory(content, start, "big"),
    )


def _of_directory(content, start, order):
    directory = start + unsigned(content, start + 4, 4, order)
    first = directory + ENTRIES
    end = tf.minimum(
        first + unsigned(content, directory, 2, order) * ENTRY, tf.cast(tf.strings.length(content), tf.int64)
    )

    def is_other_entry(position):
        return (position < end) & (unsigned(content, position, 2, order) != ORIENTATION)

    position = search(first, is_other_entry, lambda position: position + ENTRY)
    is_long = unsigned(content, position + 2, 2, order) == 4
    value = tf.where(is_long, *(unsigned(content, position + 8, width, order) for width in (4, 2)))
    is_valid = (position < end) & (value >= 1) & (value <= 8)
    return tf.where(is_valid, tf.cast(value, tf.int32), 1)
