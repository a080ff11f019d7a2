"""Random colours of training images. Stateless: the same seed gives the same image."""

import numpy as np
import tensorflow as tf

GREY = np.float32([0.299, 0.587, 0.114])  # luma of R, G, B (ITU-R BT.601), as in fb.resnet.torch and Pillow
# The principal components of ImageNet's colours, RGB in units of 0 to 1 (fb.resnet.torch, datasets/imagenet.lua):
# the three eigenvalues, and the eigenvectors as columns, with a row for each of R, G, B.
PCA_EIGENVALUES = np.float32([0.2175, 0.0188, 0.0045])
PCA_EIGENVECTORS = np.float32(
    [
        [-0.5675, 0.7192, 0.4009],
        [-0.5808, -0.0045, -0.8140],
        [-0.5836, -0.6948, 0.4203],
    ]
)


def color_jitter(image, seed, strength):
    """Brightness, contrast and saturation, each changed by a factor uniform in 1 - strength to 1 + strength.

    The image is blended with black (brightness), with its mean grey (contrast) and with the grey of each pixel
    (saturation). Source: `ColorJitter` of fb.resnet.torch (datasets/transforms.lua), where the strength is 0.4. As
    there, nothing is clipped; then all three are linear and commute, so that the random order in which
    fb.resnet.torch applies them has no effect, and they are one matrix here. torchvision clips after each.

    Args:
        image: (H, W, 3), RGB in 0 to 255, uint8 or float32.
        seed: int32 (2,).
        strength: 0 (no change) to 1.

    Returns:
        float32 (H, W, 3), not clipped: it may leave 0 to 255.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.color import color_jitter
        >>> grey = tf.fill((4, 4, 3), 100.0)  # contrast and saturation leave a grey image as it is
        >>> bool(tf.reduce_all(tf.abs(color_jitter(grey, [0, 1], strength=0.4) - 100) <= 40))
        True
    """
    brightness, contrast, saturation = tf.unstack(tf.random.stateless_uniform([3], seed, 1 - strength, 1 + strength))
    pixels = tf.reshape(tf.cast(image, tf.float32), [-1, 3])
    mean_grey = tf.reduce_sum(tf.reduce_mean(pixels, 0) * GREY)
    to_grey = np.repeat(GREY[:, None], 3, axis=1)
    matrix = brightness * contrast * (saturation * np.eye(3, dtype="float32") + (1 - saturation) * to_grey)
    return _like(tf.matmul(pixels, matrix) + brightness * (1 - contrast) * mean_grey, image)


def lighting(image, seed, std):
    """Adds one random colour to all pixels, along the principal components of ImageNet's colours.

    The colour is the sum of the eigenvectors, each times its eigenvalue and a number drawn from a normal
    distribution, once per image. Source: Krizhevsky et al. 2012, section 4.1 ("fancy PCA"); eigenvalues and
    eigenvectors of fb.resnet.torch, scaled from 0 to 1 to 0 to 255.

    Args:
        image: (H, W, 3), RGB in 0 to 255, uint8 or float32.
        seed: int32 (2,).
        std: standard deviation of the three numbers, 0.1 in both sources.

    Returns:
        float32 (H, W, 3), not clipped: it may leave 0 to 255.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.color import lighting
        >>> lit = lighting(tf.zeros((4, 4, 3), tf.uint8), [0, 1], std=0.1)
        >>> lit.dtype.name, bool(tf.reduce_all(lit == lit[0, 0]))
        ('float32', True)
    """
    amounts = tf.random.stateless_normal([3], seed, stddev=std)
    color = tf.linalg.matvec(255 * PCA_EIGENVECTORS * PCA_EIGENVALUES, amounts)
    # Added to whole rows: over an innermost axis of only three numbers the sum takes three times as long.
    height, width = tf.unstack(tf.shape(image)[:2])
    rows = tf.reshape(tf.cast(image, tf.float32), [height, 3 * width])
    return _like(rows + tf.tile(color, [width]), image)


def _like(values, image):
    """`values` in the image's shape, the static one too."""
    values = tf.reshape(values, tf.shape(image))
    values.set_shape(image.shape)
    return values
