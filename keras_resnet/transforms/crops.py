"""Crops and flips of training images, and `LazyImage`, which decodes only what a crop shows."""

import abc
import dataclasses
from typing import NamedTuple

import tensorflow as tf

from keras_resnet.recipes import Recipe
from keras_resnet.transforms.boxes import RANDOM_BOXES, BoxFunction, center_box


class LazyImage(abc.ABC):
    """An image that may not be decoded yet; what is asked of it is added to a graph."""

    @property
    @abc.abstractmethod
    def shape(self) -> tf.TensorShape:
        """The static shape (height, width, channels), None where it is unknown."""

    @abc.abstractmethod
    def crop(self, box_of: BoxFunction, size: tuple[int, int] | None = None) -> tf.Tensor:
        """The part of the image inside a box: (height, width, C).

        Args:
            box_of: function of the image's shape, int32 (height, width, channels), that returns the box, int32 (top,
                left, height, width).
            size: (height, width) that the part will be resized to. A part at least twice as large may be returned
                smaller than the box, but not smaller than this.
        """

    @abc.abstractmethod
    def whole(self) -> tf.Tensor:
        """The whole image: (H, W, C)."""


@dataclasses.dataclass(frozen=True, eq=False)
class DecodedImage(LazyImage):
    """An image whose pixels (H, W, C) are already there.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.boxes import center_box
        >>> from keras_resnet.transforms.crops import DecodedImage
        >>> DecodedImage(tf.zeros((8, 6, 3))).crop(center_box).shape.as_list()
        [6, 6, 3]
    """

    pixels: tf.Tensor

    @property
    def shape(self) -> tf.TensorShape:
        return self.pixels.shape

    def crop(self, box_of: BoxFunction, size: tuple[int, int] | None = None) -> tf.Tensor:
        del size
        top, left, height, width = tf.unstack(box_of(tf.shape(self.pixels)))
        return self.pixels[top : top + height, left : left + width]

    def whole(self) -> tf.Tensor:
        return self.pixels


def crop(image: LazyImage, seed: tf.Tensor, recipe: Recipe, size: tuple[int, int]) -> tf.Tensor:
    """The crop of a training image that the recipe asks for, resized to `size` (height, width).

    Example:
        >>> import keras_resnet, tensorflow as tf
        >>> from keras_resnet.transforms.crops import DecodedImage, crop
        >>> recipe = keras_resnet.Recipe(crop="random_resized")
        >>> crop(DecodedImage(tf.zeros((60, 80, 3), tf.uint8)), [0, 1], recipe, (32, 32)).shape.as_list()
        [32, 32, 3]
    """
    if recipe.crop != "center":
        box_of, count = RANDOM_BOXES[recipe.crop]
        uniform = tf.random.stateless_uniform([count], seed)
        part = image.crop(lambda shape: box_of(shape, uniform, recipe), size)
    elif tuple(image.shape[:2]) == tuple(size):  # an image of the wanted size is its own center crop
        part = image.whole()
    else:
        part = image.crop(center_box, size)
    rounded = not (recipe.color_jitter or recipe.pca_lighting)  # these would make it float32 again
    return resized(part, size, rounded)


def resized(image: tf.Tensor, size: tuple[int, int], rounded: bool = True) -> tf.Tensor:
    """Resizes an image to (height, width), bilinear.

    An image reduced to half its size or less is smoothed first, against aliasing; this takes twice the time.

    Returns:
        The image itself if it has that size; else float32, or, if `rounded`, the image's own type.
    """
    if tuple(image.shape[:2]) == tuple(size):
        return image
    shrinks = tf.reduce_min(tf.shape(image)[:2] // tf.constant(size)) >= 2
    smaller = tf.cond(
        shrinks, lambda: tf.image.resize(image, size, antialias=True), lambda: tf.image.resize(image, size)
    )
    return _as(smaller, image.dtype) if rounded else smaller


def resized_batch(images: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Resizes images (B, H, W, C) to (height, width), bilinear with antialiasing; their type stays.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.crops import resized_batch
        >>> resized_batch(tf.zeros((2, 32, 32, 3), tf.uint8), (24, 24)).shape.as_list()
        [2, 24, 24, 3]
    """
    if tuple(images.shape[1:3]) == tuple(size):
        return images
    return _as(tf.image.resize(images, size, antialias=True), images.dtype)


def _as(pixels: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Resized float32 pixels in the type that they had before."""
    return tf.cast(pixels + 0.5, tf.uint8) if dtype == tf.uint8 else pixels


def pad_and_crop(image: tf.Tensor, seed: tf.Tensor, padding: int) -> tf.Tensor:
    """Pads an image with black pixels and takes a random crop of its original size.

    Source: He et al. 2015, section 4.2 (`padding` 4). All (2 x padding + 1)^2 crops are equally likely.

    Args:
        image: (H, W, C), any type, of a static shape.
        seed: int32 (2,).
        padding: pixels on each side.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.pipeline import example_seed
        >>> from keras_resnet.transforms.crops import pad_and_crop
        >>> pad_and_crop(tf.ones((32, 32, 3)), example_seed(0, 0, 0), padding=4).shape.as_list()
        [32, 32, 3]
    """
    top, left = tf.unstack(tf.random.stateless_uniform([2], seed, 0, 2 * padding + 1, tf.int32))
    padded = tf.pad(image, [[padding, padding], [padding, padding], [0, 0]])
    height, width, channels = image.shape
    return tf.slice(padded, tf.stack([top, left, 0]), [height, width, channels])


def random_flip(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Mirrors an image (H, W, C) horizontally, with a probability of one half.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.pipeline import example_seed
        >>> from keras_resnet.transforms.crops import random_flip
        >>> random_flip(tf.ones((32, 32, 3)), example_seed(0, 0, 0)).shape.as_list()
        [32, 32, 3]
    """
    mirrored = tf.random.stateless_uniform([], seed) < 0.5
    return tf.cond(mirrored, lambda: tf.reverse(image, [1]), lambda: image)


class Shifts(NamedTuple):
    """What `pad_and_crop` and `random_flip` draw, for a batch of B images.

    Attributes:
        offsets: top and left of each crop in the padded image, pixels, int32 (B, 2).
        mirrored: whether each image is mirrored, bool (B,).
    """

    offsets: tf.Tensor
    mirrored: tf.Tensor


def draw_shifts(count: tf.Tensor, seed: tf.Tensor, recipe: Recipe) -> Shifts:
    """Draws the shifts of a batch.

    Args:
        count: number of images.
        seed: int32 (2,).
        recipe: its `pad` and `flip`.
    """
    offset_seed, flip_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    offsets = tf.random.stateless_uniform([count, 2], offset_seed, 0, 2 * recipe.pad + 1, tf.int32)
    mirrored = tf.random.stateless_uniform([count], flip_seed) < (0.5 if recipe.flip else 0.0)
    return Shifts(offsets, mirrored)


def shift(images: tf.Tensor, shifts: Shifts, padding: int) -> tf.Tensor:
    """Pads, crops and mirrors images, all together: much faster than one by one, if they are small.

    Args:
        images: (B, H, W, C), any type, with static H and W.
        shifts: of each image.
        padding: black pixels on each side.

    Returns:
        Images of the same shape and type.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.crops import Shifts, shift
        >>> images = tf.reshape(tf.range(1, 5), (1, 2, 2, 1))
        >>> shift(images, Shifts(tf.constant([[0, 1]]), tf.constant([True])), padding=1).numpy().squeeze().tolist()
        [[0, 0], [2, 1]]
    """
    _, height, width, _ = images.shape
    rows = shifts.offsets[:, :1] + tf.range(height)
    columns = shifts.offsets[:, 1:] + tf.range(width)
    columns = tf.where(shifts.mirrored[:, None], tf.reverse(columns, [1]), columns)
    padded = tf.pad(images, [[0, 0], [padding, padding], [padding, padding], [0, 0]])
    return tf.gather(tf.gather(padded, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1)
