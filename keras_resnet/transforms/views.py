"""TODO transforms.views."""

import dataclasses
import math

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class View:
    """The centre crop that a model is tested on.

    Args:
        size: (height, width) of the crop.
        crop_fraction: share of the resized image's sides that the crop takes, above 0 to 1: 0.875 for the
            224 of 256 of most ImageNet figures.
        interpolation: "bilinear" or "bicubic", as in Pillow, so with antialiasing.

    Example:
        >>> from keras_resnet.transforms.views import View
        >>> str(View((224, 224), crop_fraction=0.875))
        '224x224 centre crop of short side 256, bilinear'
    """

    size: tuple[int, int]
    crop_fraction: float = 1.0
    interpolation: str = "bilinear"

    @property
    def resized(self) -> tuple[int, int]:
        """(height, width) that the resized image has at least: floor(size / crop_fraction), as in timm."""
        return tuple(math.floor(side / self.crop_fraction) for side in self.size)

    def __str__(self):
        height, width = self.size
        return f"{width}x{height} centre crop of short side {min(self.resized)}, {self.interpolation}"


def resize_to_cover(image, size, interpolation="bilinear"):
    """The image, its proportions kept, as small as covers `size`; of the same type.

    One side becomes that of `size`, the other is rounded down, as in torchvision and timm.

    Args:
        image: (H, W, C), uint8 or float32.
        size: (height, width) to cover; equal ones ask for that short side.
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


def center_crop(image, size):
    """The middle (height, width) of an image; of an odd margin, half is rounded to even, as in torchvision.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.views import center_crop
        >>> center_crop(tf.zeros((32, 43, 3)), (32, 32)).shape.as_list()
        [32, 32, 3]
    """
    top, left = _middle(tf.shape(image), size)
    return image[top : top + size[0], left : left + size[1]]


def _middle(shape, size):
    margins = tf.cast(shape[:2] - tf.constant(size), tf.float32)
    return tf.unstack(tf.cast(tf.round(margins / 2), tf.int32))  # tf.round rounds a half to even


def center_view(image, view: View):
    """The resized centre crop of an image: (1, height, width, C).

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.views import View, center_view
        >>> center_view(tf.zeros((60, 80, 3), tf.uint8), View((32, 32))).shape.as_list()
        [1, 32, 32, 3]
    """
    return center_crop(resize_to_cover(image, view.resized, view.interpolation), view.size)[None]


def ten_crop_views(image, view: View):
    """Four corners and the centre of the resized image, then the mirror images of these: (10, height, width, C).

    Source: Krizhevsky et al. 2012, section 4.1, which He et al. 2015, section 3.4 follow.

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


def whole_view(image, short_side: int, interpolation="bilinear"):
    """The whole image at a short side: (1, H, W, C)."""
    return resize_to_cover(image, (short_side, short_side), interpolation)[None]
