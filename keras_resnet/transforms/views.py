"""Views: what a model sees of a test image."""

import math

import tensorflow as tf

from keras_resnet.runtimes.views import ELONGATION, KERNELS
from keras_resnet.view import View

KERNEL_TYPES = {"bilinear": "triangle", "bicubic": "keyscubic"}  # of ScaleAndTranslate


def resize_to_cover(image: tf.Tensor, size: tuple[int, int], interpolation: str = "bilinear") -> tf.Tensor:
    """Resizes an image to the smallest size that covers `size`, with its aspect ratio and type unchanged.

    One side becomes that of `size`; the other is rounded down, as in torchvision and timm.

    Args:
        image: (H, W, C), uint8 or float32.
        size: (height, width) to cover; a square is the same as a short side.
        interpolation: "bilinear" or "bicubic", with antialiasing.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.views import resize_to_cover
        >>> resize_to_cover(tf.zeros((60, 81, 3), tf.uint8), (32, 32)).shape.as_list()
        [32, 43, 3]
    """
    if tuple(image.shape[:2]) == tuple(size):
        return image
    covering = tf.cast(_covering_size(image, size), tf.int32)
    return _rounded(tf.image.resize(image, covering, interpolation, antialias=True), image.dtype)


def _covering_size(image, size):
    """The smallest (height, width) that covers `size` with the image's aspect ratio, int64 (2,)."""
    height, width, _ = tf.unstack(tf.shape(image, tf.int64))
    by_height = size[0] * width >= size[1] * height
    return tf.where(by_height, (size[0], size[0] * width // height), (size[1] * height // width, size[1]))


def _rounded(resized, dtype):
    return tf.saturate_cast(tf.round(resized), tf.uint8) if dtype == tf.uint8 else resized


def _center(margins):
    """The top left corner of the center crop; half of an odd margin is rounded to even, as in torchvision."""
    return tf.cast(tf.round(margins / 2), tf.int64)


def _part(image, corner, size):
    return tf.slice(image, tf.concat([corner, [0]], 0), [*size, image.shape[-1]])


def center_view(image: tf.Tensor, view: View) -> tf.Tensor:
    """The resized center crop of an image: (1, height, width, C).

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.views import View, center_view
        >>> center_view(tf.zeros((60, 80, 3), tf.uint8), View((32, 32))).shape.as_list()
        [1, 32, 32, 3]
    """
    return _crops_of_resized(image, view, lambda margins: [_center(margins)])


def flip_views(image: tf.Tensor, view: View) -> tf.Tensor:
    """The resized center crop of an image and its mirror image: (2, height, width, C).

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.views import View, flip_views
        >>> flip_views(tf.zeros((60, 80, 3), tf.uint8), View((32, 32))).shape.as_list()
        [2, 32, 32, 3]
    """
    return _and_mirrored(center_view(image, view))


def ten_crop_views(image: tf.Tensor, view: View) -> tf.Tensor:
    """The four corners and the center of the resized image, then their mirror images: (10, height, width, C).

    Source: Krizhevsky et al. 2012, section 4.1; used by He et al. 2015, section 3.4.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.views import View, ten_crop_views
        >>> ten_crop_views(tf.zeros((60, 80, 3), tf.uint8), View((32, 32))).shape.as_list()
        [10, 32, 32, 3]
    """
    ends = tf.constant([(0, 0), (0, 1), (1, 0), (1, 1)], tf.int64)
    crops = _crops_of_resized(image, view, lambda margins: [*tf.unstack(ends * margins), _center(margins)])
    return _and_mirrored(crops)


def _and_mirrored(views):
    return tf.concat([views, tf.reverse(views, [2])], axis=0)


def whole_view(image: tf.Tensor, short_side: int, interpolation: str = "bilinear") -> tf.Tensor:
    """The whole image, resized to a short side: (1, H, W, C).

    Of an image whose long side is more than 8 times its short side, only the middle is shown, with a ratio of 8 to 1.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.views import whole_view
        >>> whole_view(tf.zeros((2, 20_000, 3), tf.uint8), 32).shape.as_list()
        [1, 32, 256, 3]
    """
    sides = tf.shape(image, tf.int64)[:2]
    shown = tf.minimum(sides, ELONGATION * tf.reduce_min(sides))
    (top, left), (height, width) = tf.unstack((sides - shown) // 2), tf.unstack(shown)
    middle = image[top : top + height, left : left + width]
    return resize_to_cover(middle, (short_side, short_side), interpolation)[None]


def _crops_of_resized(image, view, corners_of):
    """Crops of the resized image: (number of corners, height, width, C).

    `corners_of` is a function of the resized image's (height, width) minus the crop's, int64 (2,), that returns the
    top left corner of each crop, int64 (2,).
    """
    covering = _covering_size(image, view.resized)
    corners = corners_of(covering - view.size)

    def of_the_whole():
        resized = resize_to_cover(image, view.resized, view.interpolation)
        return tf.stack([_part(resized, corner, view.size) for corner in corners])

    def one_by_one():
        return tf.stack([_resized_part(image, covering, corner, view) for corner in corners])

    # An elongated image would become huge: 5000 x 1 pixels would have 224 x 1,120,000. Others are resized as a whole,
    # because the parts differ from it by rounding errors.
    elongated = tf.reduce_prod(covering) > ELONGATION * math.prod(view.resized)
    return tf.cond(elongated, one_by_one, of_the_whole)


def _resized_part(image, covering, corner, view):
    """The crop at `corner` of the image resized to `covering`, from the pixels that it depends on."""
    corner, sides = tf.cast(corner, tf.float64), tf.cast(tf.shape(image)[:2], tf.float64)
    scale = tf.cast(covering, tf.float64) / sides
    reach = KERNELS[view.interpolation].radius * tf.maximum(1 / scale, 1) + 1  # of the kernel, in pixels of the image
    start = tf.maximum(tf.floor(corner / scale - reach), 0)
    end = tf.minimum(tf.math.ceil((corner + view.size) / scale + reach), sides)
    (top, left), (bottom, right) = tf.unstack(tf.cast(start, tf.int64)), tf.unstack(tf.cast(end, tf.int64))
    [resized] = tf.unstack(
        tf.raw_ops.ScaleAndTranslate(  # what tf.image.resize(antialias=True) uses, without a translation
            images=image[None, top:bottom, left:right],
            size=view.size,
            scale=tf.cast(scale, tf.float32),
            translation=tf.cast(start * scale - corner, tf.float32),
            kernel_type=KERNEL_TYPES[view.interpolation],
            antialias=True,
        )
    )
    return _rounded(resized, image.dtype)
