"""Reads numbers from the content of a file inside a TensorFlow graph."""

from collections.abc import Callable

import tensorflow as tf

TYPES = {1: tf.uint8, 2: tf.uint16, 4: tf.int32}  # that TensorFlow reads, by their number of bytes


def unsigned(content: tf.Tensor, position: tf.Tensor | int, width: int, order: str) -> tf.Tensor:
    r"""An unsigned integer in the content of a file, as int64; 0 beyond its end.

    Args:
        content: a scalar string.
        position: of its first byte.
        width: its number of bytes: 1, 2 or 4.
        order: "big" or "little": the order of its bytes.

    Example:
        >>> from keras_resnet.exporting.graph_reading import unsigned
        >>> int(unsigned(b"abc\x01\x00", 3, 2, "little"))
        1
    """
    number = tf.io.decode_raw(
        text(content, position, width), TYPES[width], little_endian=order == "little", fixed_length=width
    )
    return tf.cast(number[0], tf.int64) % 256**width


def text(content: tf.Tensor, position: tf.Tensor | int, width: int) -> tf.Tensor:
    """The bytes at a position of a scalar string, as many as there are.

    Example:
        >>> from keras_resnet.exporting.graph_reading import text
        >>> text(b"abc", 1, 4).numpy(), text(b"abc", 7, 1).numpy()
        (b'bc', b'')
    """
    start = tf.minimum(tf.cast(position, tf.int64), tf.cast(tf.strings.length(content), tf.int64))
    return tf.strings.substr(content, start, tf.cast(width, tf.int64))


def search(start: tf.Tensor | int, goes_on: Callable[[tf.Tensor], tf.Tensor], following: Callable) -> tf.Tensor:
    """The first position for which `goes_on` does not hold, int64.

    Args:
        start: the first position to look at.
        goes_on: of a position, whether to look further.
        following: of a position, the next one.

    Example:
        >>> from keras_resnet.exporting.graph_reading import search
        >>> int(search(1, lambda position: position < 10, lambda position: 3 * position))
        27
    """
    [position] = tf.while_loop(
        goes_on, lambda position: [following(position)], [tf.cast(start, tf.int64)], parallel_iterations=1
    )
    return position
