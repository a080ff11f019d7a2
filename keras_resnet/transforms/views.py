"""Views: what a model sees of a test image."""

import tensorflow as tf

from keras_resnet.preprocessing import View


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
    height, width, _ = tf.unstack(tf.cast(tf.shape(image), tf.int64))
    by_height = size[0] * width >= size[1] * height
    covering = tf.where(by_height, (size[0], size[0] * width // height), (size[1] * height // width, size[1]))
    resized = tf.image.resize(image, tf.cast(covering, tf.int32), interpolation, antialias=True)
    return tf.saturate_cast(tf.round(resized), tf.uint8) if image.dtype == tf.uint8 else resized


def center_crop(image: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Crops the center (height, width) of an image; half of an odd margin is rounded to even, as in torchvision.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.views import center_crop
        >>> center_crop(tf.zeros((32, 43, 3)), (32, 32)).shape.as_list()
        [32, 32, 3]
    """
    margins = tf.cast(tf.shape(image)[:2] - tf.constant(size), tf.float32)
    top, left = tf.unstack(tf.cast(tf.round(margins / 2), tf.int32))  # tf.round rounds a half to even
    return image[top : top + size[0], left : left + size[1]]


def center_view(image: tf.Tensor, view: View) -> tf.Tensor:
    """The resized center crop of an image: (1, height, width, C).

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.views import View, center_view
        >>> center_view(tf.zeros((60, 80, 3), tf.uint8), View((32, 32))).shape.as_list()
        [1, 32, 32, 3]
    """
    return center_crop(resize_to_cover(image, view.resized, view.interpolation), view.size)[None]


def ten_crop_views(image: tf.Tensor, view: View) -> tf.Tensor:
    """The four corners and the center of the resized image, then their mirror images: (10, height, width, C).

    Source: Krizhevsky et al. 2012, section 4.1; used by He et al. 2015, section 3.4.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.views import View, ten_crop_views
        >>> ten_crop_views(tf.zeros((60, 80, 3), tf.uint8), View((32, 32))).shape.as_list()
        [10, 32, 32, 3]
    """
    image = resize_to_cover(image, view.resized, view.interpolation)
    height, width = view.size
    corners = [image[:height, :width], image[:height, -width:], image[-height:, :width], image[-height:, -width:]]
    crops = tf.stack([*corners, center_crop(image, view.size)])
    return tf.concat([crops, tf.reverse(crops, [2])], axis=0)


def whole_view(image: tf.Tensor, short_side: int, interpolation: str = "bilinear") -> tf.Tensor:
    """The whole image, resized to a short side: (1, H, W, C)."""
    return resize_to_cover(image, (short_side, short_side), interpolation)[None]
