"""Which part of an image a model sees, and at what size: training crops and the views of a test.

A *box* is an int32 tensor (top, left, height, width), in pixels of the image as it is stored; a
*shape* an int32 tensor (height, width, channels).
"""

import dataclasses
import math

import tensorflow as tf

CROP_RATIO = (3 / 4, 4 / 3)  # width by height of a random resized crop, least and greatest
CROP_TRIALS = 10  # draws of a random resized crop, until one fits into the image


@dataclasses.dataclass(frozen=True)
class View:
    """The centre crop that a model is tested on.

    Args:
        size: (height, width) of the crop.
        crop_fraction: share of the resized image's sides that the crop takes, above 0 to 1: 0.875 for the
            224 of 256 of most ImageNet figures.
        interpolation: "bilinear" or "bicubic", as in Pillow, so with antialiasing.

    Example:
        >>> from keras_resnet.views import View
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
        >>> from keras_resnet.views import resize_to_cover
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
        >>> from keras_resnet.views import center_crop
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
        >>> from keras_resnet.views import View, center_view
        >>> center_view(tf.zeros((60, 80, 3), tf.uint8), View((32, 32))).shape.as_list()
        [1, 32, 32, 3]
    """
    return center_crop(resize_to_cover(image, view.resized, view.interpolation), view.size)[None]


def ten_crop_views(image, view: View):
    """Four corners and the centre of the resized image, then the mirror images of these: (10, height, width, C).

    Source: Krizhevsky et al. 2012, section 4.1, which He et al. 2015, section 3.4 follow.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.views import View, ten_crop_views
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


def scale_jitter_box(shape, draws, size, recipe):
    """The part of the image that a crop of the 2015 paper shows.

    Source: He et al. 2015, section 3.4: the short side is resized to a random size ([256, 480] for crops of
    224), and a crop taken at random. Here the crop is found in the image as it is, to a whole pixel, and only
    that is decoded and resized.

    Args:
        shape: of the image.
        draws: float32 (3,), uniform in 0 to 1.
        size: (height, width) of the crop, once resized.
        recipe: its `scale_jitter` holds the least and the greatest short side, as multiples of the crop's.
    """
    low, high = recipe.scale_jitter
    short = tf.cast(tf.minimum(shape[0], shape[1]), tf.float32)
    side = tf.maximum(1.0, tf.round(short / (low + (high - low) * draws[0])))
    margins = tf.cast(shape[:2], tf.float32) - side
    corner = tf.floor(tf.maximum(margins + 1, 1) * draws[1:3])
    return tf.cast(tf.concat([tf.minimum(corner, tf.maximum(margins, 0)), [side, side]], 0), tf.int32)


def random_resized_box(shape, draws, size, recipe):
    """A part of random area and aspect ratio.

    Source: Szegedy et al. 2014, section 6, as fb.resnet.torch and torchvision have it: an area uniform in
    `recipe.crop_area` of the image's, a ratio log-uniform in 3/4 to 4/3; if ten draws do not fit into the
    image, the centre, as large as the ratio allows.

    Args:
        shape: of the image.
        draws: float32 (22,), uniform in 0 to 1.
        size: not used; the part is resized to it.
    """
    del size
    sides = tf.cast(shape[:2], tf.float32)
    low, high = recipe.crop_area
    areas = (low + (high - low) * draws[:CROP_TRIALS]) * sides[0] * sides[1]
    log_ratios = _between(math.log(CROP_RATIO[0]), math.log(CROP_RATIO[1]), draws[CROP_TRIALS : 2 * CROP_TRIALS])
    roots, half_ratios = tf.sqrt(areas), tf.exp(log_ratios / 2)
    trials = tf.round(tf.stack([roots / half_ratios, roots * half_ratios], axis=1))  # (trials, (height, width))
    fits = tf.reduce_all((trials >= 1) & (trials <= sides), axis=1)
    chosen = tf.argmax(fits)  # the first that fits
    fallback = tf.minimum(sides, tf.round(sides[::-1] * (1 / CROP_RATIO[0], CROP_RATIO[1])))
    box = tf.where(fits[chosen], trials[chosen], fallback)
    place = tf.where(fits[chosen], tf.floor((sides - box + 1) * draws[2 * CROP_TRIALS :]), tf.round((sides - box) / 2))
    return tf.cast(tf.concat([tf.minimum(place, sides - box), box], 0), tf.int32)


def _between(low, high, draw):
    return low + (high - low) * draw


def center_box(shape):
    """The largest square in the middle of the image."""
    side = tf.minimum(shape[0], shape[1])
    return tf.concat([(shape[:2] - side) // 2, [side, side]], 0)


# A recipe's random `crop` -> (the function that chooses its box, the uniform draws that it takes).
BOXES = {
    "scale_jitter": (scale_jitter_box, 3),
    "random_resized": (random_resized_box, 2 * CROP_TRIALS + 2),
}
