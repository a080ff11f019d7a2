"""Colour changes of training images: AlexNet's lighting, and the jitter of fb.resnet.torch.

Images are (H, W, 3) in 0 to 255; what comes out is float32 and may leave that range a little, as in the
originals, which do not clip either.
"""

import numpy as np
import tensorflow as tf

GREY = (0.299, 0.587, 0.114)  # weights of red, green and blue
# Principal components of ImageNet's pixels, RGB in 0 to 1: a column each, and the square roots of the variances, as
# fb.resnet.torch publishes them.
EIGENVECTORS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))
EIGENVALUES = (0.2175, 0.0188, 0.0045)
COMPONENTS = np.float32(255 * np.array(EIGENVECTORS) * EIGENVALUES)


def lighting(image, seed, std):
    """Adds to every pixel the same draw along the principal components of ImageNet's colours.

    Source: Krizhevsky et al. 2012, section 4.1: each component times its eigenvalue times a draw from N(0, std);
    std is 0.1 there and in He et al. 2015.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.color import lighting
        >>> lighting(tf.zeros((8, 8, 3), tf.uint8), (1, 2), std=0.1).dtype
        tf.float32
    """
    shift = tf.linalg.matvec(COMPONENTS, tf.random.stateless_normal([3], seed, stddev=std))
    rows = tf.reshape(tf.cast(image, tf.float32), (tf.shape(image)[0], -1))  # added row by row: four times as fast
    return tf.reshape(rows + tf.tile(shift, [tf.shape(image)[1]]), tf.shape(image))


def color_jitter(image, seed, strength):
    """Changes brightness, contrast and saturation, in random order, each by a factor uniform in 1 +- strength.

    Source: fb.resnet.torch's ColorJitter: blends with black, with the mean grey of the image, and with the grey image.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.color import color_jitter
        >>> color_jitter(tf.zeros((8, 8, 3), tf.uint8), (1, 2), strength=0.4).shape.as_list()
        [8, 8, 3]
    """
    draws = tf.random.stateless_uniform([6], seed)
    order, factors = tf.argsort(draws[:3]), 1 + strength * (2 * draws[3:] - 1)
    blends = (_black, _mean_grey, _grey)
    image = tf.cast(image, tf.float32)
    for place in range(3):
        kind = order[place]
        other = tf.switch_case(kind, [lambda blend=blend, image=image: blend(image) for blend in blends])
        image = other + factors[kind] * (image - other)
    return image


def _black(image):
    return tf.zeros_like(image[:1, :1, :1])


def _grey(image):
    return tf.reduce_sum(image * GREY, axis=-1, keepdims=True)


def _mean_grey(image):
    return tf.reduce_mean(_grey(image), keepdims=True)
