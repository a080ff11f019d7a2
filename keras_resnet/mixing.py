"""Mixup and CutMix: batches of images blended with themselves, and their labels with them.

A batch is images (B, H, W, C), 0 to 255, and one-hot labels (B, K), float32; each image's partner is
the one before it.
"""

import tensorflow as tf


def mixup(images, labels, seed, alpha):
    """Each image times l, plus its partner times 1 - l, with one l of Beta(alpha, alpha) for the batch; float32.

    Source: Zhang et al. 2018, https://arxiv.org/abs/1710.09412, section 2.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.mixing import mixup
        >>> images, labels = mixup(tf.zeros((4, 8, 8, 3)), tf.eye(4), (1, 2), alpha=0.2)
        >>> images.shape.as_list()
        [4, 8, 8, 3]
    """
    share = _beta(seed, alpha)
    return _blended(tf.cast(images, tf.float32), share), _blended(labels, share)


def cutmix(images, labels, seed, alpha):
    """A rectangle of each image replaced by its partner's, of the same place for the batch; float32.

    The labels are mixed by the areas. Source: Yun et al. 2019, https://arxiv.org/abs/1905.04899, section 3: the
    rectangle has the share 1 - l of the area, l of Beta(alpha, alpha), and its centre anywhere; what lies outside of
    the image is cut off.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.mixing import cutmix
        >>> images, labels = cutmix(tf.zeros((4, 8, 8, 3)), tf.eye(4), (1, 2), alpha=1.0)
        >>> labels.shape.as_list()
        [4, 4]
    """
    beta_seed, place_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    sides = tf.cast(tf.shape(images)[1:3], tf.float32)
    half = sides * tf.sqrt(1 - _beta(beta_seed, alpha)) / 2
    centre = sides * tf.random.stateless_uniform([2], place_seed)
    start, end = (tf.round(tf.clip_by_value(edge, 0, sides)) for edge in (centre - half, centre + half))
    rows, columns = ((tf.range(sides[axis]) >= start[axis]) & (tf.range(sides[axis]) < end[axis]) for axis in range(2))
    inside = (rows[:, None] & columns[None, :])[None, :, :, None]
    images = tf.cast(images, tf.float32)
    share = 1 - tf.reduce_mean(tf.cast(inside, tf.float32))
    return tf.where(inside, _partners(images), images), _blended(labels, share)


def mix(images, labels, seed, mixup_alpha, cutmix_alpha):
    """`mixup` or `cutmix`: the one whose alpha is above 0; if both are, each batch gets either, as likely.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.mixing import mix
        >>> images, labels = mix(tf.zeros((4, 8, 8, 3)), tf.eye(4), (1, 2), 0.2, 1.0)
        >>> images.dtype
        tf.float32
    """
    if not (mixup_alpha and cutmix_alpha):
        return mixup(images, labels, seed, mixup_alpha) if mixup_alpha else cutmix(images, labels, seed, cutmix_alpha)
    choice_seed, seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    return tf.cond(
        tf.random.stateless_uniform([], choice_seed) < 0.5,
        lambda: mixup(images, labels, seed, mixup_alpha),
        lambda: cutmix(images, labels, seed, cutmix_alpha),
    )


def _beta(seed, alpha):
    """A draw of Beta(alpha, alpha), by two of Gamma(alpha)."""
    one, other = tf.unstack(tf.random.stateless_gamma([2], seed, alpha))
    return one / tf.maximum(one + other, 1e-30)


def _partners(batch):
    return tf.roll(batch, 1, axis=0)


def _blended(batch, share):
    return share * batch + (1 - share) * _partners(batch)
