"""Mixup and CutMix: batches whose images and labels are mixed in pairs. Stateless: the same seed mixes alike.

Each image is mixed with its partner: the image that many places before it in the batch, counted in a circle.
"""

import functools

import tensorflow as tf

from keras_resnet.transforms.boxes import paste


def mixup(
    images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, alpha: float, distance: int = 1
) -> tuple[tf.Tensor, tf.Tensor]:
    """Blends each image and its label with its partner's, all at the same mixing ratio.

    Source: Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization", section 2. The mixing ratio (lambda in the
    paper) is drawn from Beta(alpha, alpha) once per batch, as in the authors' code.

    Args:
        images: (B, H, W, C), uint8 or float32.
        labels: (B, K), one-hot or already mixed.
        seed: int32 (2,).
        alpha: above 0; 0.2 in the paper's ImageNet runs.
        distance: places from an image to its partner.

    Returns:
        Images and labels, float32, of unchanged shapes; the sum of each label is unchanged.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.mixup import mixup
        >>> images, labels = mixup(tf.zeros((2, 4, 4, 3)), tf.eye(2), [0, 1], alpha=0.2)
        >>> bool(tf.reduce_all(tf.abs(tf.reduce_sum(labels, 1) - 1) < 1e-6))
        True
    """
    ratio = draw_mixing_ratio(seed, alpha)
    return _blend(images, ratio, distance), _blend(labels, ratio, distance)


def cutmix(
    images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, alpha: float, distance: int = 1
) -> tuple[tf.Tensor, tf.Tensor]:
    """Replaces a box of each image by its partner's, and blends the labels by the box's fraction of the area.

    Source: Yun et al. 2019, "CutMix", section 3.1 and appendix A, and the authors' code. The mixing ratio (lambda in
    the paper, the fraction of its own pixels that an image keeps) is drawn from Beta(alpha, alpha), and the box's
    center is uniform in the image. The box is clipped to the image, and the ratio recomputed from the clipped box.
    There is one box per batch.

    Args:
        images: (B, H, W, C), uint8 or float32.
        labels: (B, K), one-hot or already mixed.
        seed: int32 (2,).
        alpha: above 0; 1 in the paper.
        distance: places from an image to its partner.

    Returns:
        Images and labels, float32, of unchanged shapes; the sum of each label is unchanged.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.mixup import cutmix
        >>> ones_and_zeros = tf.eye(2)[:, :, None, None] * tf.ones((2, 2, 8, 8))
        >>> images, labels = cutmix(tf.transpose(ones_and_zeros, [0, 2, 3, 1]), tf.eye(2), [0, 1], alpha=1.0)
        >>> bool(tf.reduce_all(tf.abs(tf.reduce_mean(images, [1, 2]) - labels) < 1e-6))
        True
    """
    images = tf.convert_to_tensor(images)
    ratio_seed, center_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    size = tf.shape(images)[1:3]
    length = tf.cast(size, tf.float32)
    sides = tf.cast(length * tf.sqrt(1 - draw_mixing_ratio(ratio_seed, alpha)), tf.int32)
    center = tf.cast(length * tf.random.stateless_uniform([2], center_seed), tf.int32)
    start, end = tf.maximum(center - sides // 2, 0), tf.minimum(center + sides // 2, size)
    ratio = 1 - tf.reduce_prod(tf.cast(end - start, tf.float32) / length)
    mixed = paste(images, tf.roll(images, distance, 0), tf.unstack(start), tf.unstack(end))
    return tf.cast(mixed, tf.float32), _blend(labels, ratio, distance)


def mix(
    images: tf.Tensor,
    labels: tf.Tensor,
    seed: tf.Tensor,
    mixup_alpha: float,
    cutmix_alpha: float,
    distance: int = 1,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Applies `mixup` or `cutmix` to a batch, chosen at random if both alphas are above 0.

    Source: Wightman et al. 2021, "ResNet strikes back", section 3, and timm's Mixup: both are equally likely.

    Args:
        images: (B, H, W, C), uint8 or float32.
        labels: (B, K), one-hot or already mixed.
        seed: int32 (2,).
        mixup_alpha: of `mixup`, 0 to disable it.
        cutmix_alpha: of `cutmix`, 0 to disable it.
        distance: places from an image to its partner.

    Returns:
        Images and labels, float32, of unchanged shapes.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.mixup import mix
        >>> images, labels = mix(tf.ones((2, 4, 4, 3)), tf.eye(2), [0, 1], mixup_alpha=0.1, cutmix_alpha=1.0)
        >>> images.shape.as_list(), labels.shape.as_list()
        ([2, 4, 4, 3], [2, 2])
    """
    choice_seed, seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    branches = [
        functools.partial(function, images, labels, seed, alpha, distance)
        for function, alpha in ((mixup, mixup_alpha), (cutmix, cutmix_alpha))
        if alpha > 0
    ]
    if not branches:
        return tf.cast(images, tf.float32), tf.cast(labels, tf.float32)
    choice = tf.random.stateless_uniform([], choice_seed) * len(branches)
    return tf.switch_case(tf.cast(choice, tf.int32), branches)


def draw_mixing_ratio(seed: tf.Tensor, alpha: float) -> tf.Tensor:
    """Draws a number from Beta(alpha, alpha): a scalar float32 in 0 to 1.

    Example:
        >>> from keras_resnet.transforms.mixup import draw_mixing_ratio
        >>> 0 <= float(draw_mixing_ratio([0, 1], alpha=0.2)) <= 1
        True
    """
    # A gamma variate divided by the sum of two is a beta variate. With a small alpha, a gamma variate may underflow, so
    # logarithms are drawn: Gamma(alpha) is Gamma(alpha + 1) times U^(1 / alpha), with U uniform.
    gamma_seed, power_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    powers = tf.math.log(1 - tf.random.stateless_uniform([2], power_seed)) / alpha
    one, other = tf.unstack(tf.math.log(tf.random.stateless_gamma([2], gamma_seed, alpha + 1.0)) + powers)
    return tf.sigmoid(one - other)


def _blend(values, ratio, distance):
    """`ratio` times the values plus 1 - `ratio` times their partners', float32."""
    values = tf.cast(values, tf.float32)
    return ratio * values + (1 - ratio) * tf.roll(values, distance, 0)
