"""TODO transforms.mixup."""

import functools

import tensorflow as tf

from keras_resnet.transforms.crops import paste


def mixup(images, labels, seed, alpha):
    """Each image and its label blended with its partner's, all in the same proportion.

    Source: Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization", section 2; one proportion for the whole
    batch, drawn from Beta(alpha, alpha), as in the authors' code.

    Args:
        images: (B, H, W, C), uint8 or float32.
        labels: (B, K), one-hot or already mixed.
        seed: int32 (2,).
        alpha: above 0; 0.2 in the paper's ImageNet runs.

    Returns:
        Images and labels, float32, of the shapes that came in; each label's sum is kept.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.mixup import mixup
        >>> images, labels = mixup(tf.zeros((2, 4, 4, 3)), tf.eye(2), [0, 1], alpha=0.2)
        >>> bool(tf.reduce_all(tf.abs(tf.reduce_sum(labels, 1) - 1) < 1e-6))
        True
    """
    share = draw_share(seed, alpha)
    return _blend(images, share), _blend(labels, share)


def cutmix(images, labels, seed, alpha):
    """A box of each image is replaced by its partner's; labels are blended by the box's share of the area.

    Source: Yun et al. 2019, "CutMix", section 3.1 and appendix A, and the authors' code: the share of the own image
    is drawn from Beta(alpha, alpha), the box's centre is uniform in the image, the box is cut where it leaves the
    image, and the share is then counted anew. One box for the whole batch.

    Args:
        images: (B, H, W, C), uint8 or float32.
        labels: (B, K), one-hot or already mixed.
        seed: int32 (2,).
        alpha: above 0; 1 in the paper.

    Returns:
        Images and labels, float32, of the shapes that came in; each label's sum is kept.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.mixup import cutmix
        >>> ones_and_zeros = tf.eye(2)[:, :, None, None] * tf.ones((2, 2, 8, 8))
        >>> images, labels = cutmix(tf.transpose(ones_and_zeros, [0, 2, 3, 1]), tf.eye(2), [0, 1], alpha=1.0)
        >>> bool(tf.reduce_all(tf.abs(tf.reduce_mean(images, [1, 2]) - labels) < 1e-6))
        True
    """
    images = tf.convert_to_tensor(images)
    share_seed, place_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    size = tf.shape(images)[1:3]
    length = tf.cast(size, tf.float32)
    sides = tf.cast(length * tf.sqrt(1 - draw_share(share_seed, alpha)), tf.int32)
    center = tf.cast(length * tf.random.stateless_uniform([2], place_seed), tf.int32)
    start, end = tf.maximum(center - sides // 2, 0), tf.minimum(center + sides // 2, size)
    share = 1 - tf.reduce_prod(tf.cast(end - start, tf.float32) / length)
    mixed = paste(images, tf.roll(images, 1, 0), tf.unstack(start), tf.unstack(end))
    return tf.cast(mixed, tf.float32), _blend(labels, share)


def mix(images, labels, seed, mixup_alpha, cutmix_alpha):
    """`mixup` or `cutmix`, drawn for each batch, of those whose alpha is above 0; both 0 change nothing.

    Source: Wightman et al. 2021, "ResNet strikes back", section 3, and timm's Mixup: equally likely.

    Args:
        images: (B, H, W, C), uint8 or float32.
        labels: (B, K), one-hot or already mixed.
        seed: int32 (2,).
        mixup_alpha: of `mixup`, 0 for none.
        cutmix_alpha: of `cutmix`, 0 for none.

    Returns:
        Images and labels, float32, of the shapes that came in.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.mixup import mix
        >>> images, labels = mix(tf.ones((2, 4, 4, 3)), tf.eye(2), [0, 1], mixup_alpha=0.1, cutmix_alpha=1.0)
        >>> images.shape.as_list(), labels.shape.as_list()
        ([2, 4, 4, 3], [2, 2])
    """
    choice_seed, seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    branches = [
        functools.partial(function, images, labels, seed, alpha)
        for function, alpha in ((mixup, mixup_alpha), (cutmix, cutmix_alpha))
        if alpha > 0
    ]
    if not branches:
        return tf.cast(images, tf.float32), tf.cast(labels, tf.float32)
    choice = tf.random.stateless_uniform([], choice_seed) * len(branches)
    return tf.switch_case(tf.cast(choice, tf.int32), branches)


def draw_share(seed, alpha):
    """A number from Beta(alpha, alpha), float32, between 0 and 1.

    Example:
        >>> from keras_resnet.transforms.mixup import draw_share
        >>> 0 <= float(draw_share([0, 1], alpha=0.2)) <= 1
        True
    """
    # The share of one of two gamma variates is a beta variate. A variate of a small alpha may be too small for any
    # float, so that both are made as logarithms: Gamma(alpha) is Gamma(alpha + 1) times U^(1 / alpha), U uniform.
    gamma_seed, power_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    powers = tf.math.log(1 - tf.random.stateless_uniform([2], power_seed)) / alpha
    one, other = tf.unstack(tf.math.log(tf.random.stateless_gamma([2], gamma_seed, alpha + 1.0)) + powers)
    return tf.sigmoid(one - other)


def _blend(values, share):
    """`share` of the values and the rest of their partners, float32."""
    values = tf.cast(values, tf.float32)
    return share * values + (1 - share) * tf.roll(values, 1, 0)
