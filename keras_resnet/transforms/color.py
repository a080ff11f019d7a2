"""Random colors of training images. Stateless: the same seed returns the same image."""

import numpy as np
import tensorflow as tf

GRAY = np.array([0.299, 0.587, 0.114], "float32")  # luma of R, G, B (ITU-R BT.601), as in fb.resnet.torch and Pillow
# The principal components of ImageNet's colors, RGB in units of 0 to 1 (fb.resnet.torch, datasets/imagenet.lua):
# three eigenvalues, and the eigenvectors as columns, with a row for each of R, G, B.
PCA_EIGENVALUES = np.array([0.2175, 0.0188, 0.0045], "float32")
PCA_EIGENVECTORS = np.array(
    [
        [-0.5675, 0.7192, 0.4009],
        [-0.5808, -0.0045, -0.8140],
        [-0.5836, -0.6948, 0.4203],
    ],
    "float32",
)


def color_jitter(image: tf.Tensor, seed: tf.Tensor, strength: float) -> tf.Tensor:
    """Changes brightness, contrast and saturation, each by a factor uniform in 1 - strength to 1 + strength.

    The image is blended with black (brightness), with its mean gray (contrast) and with the gray of each pixel
    (saturation). Source: `ColorJitter` of fb.resnet.torch (datasets/transforms.lua), where the strength is 0.4. As
    there, values are not clipped. All three changes are therefore linear and commute: the random order in which
    fb.resnet.torch applies them has no effect, and a single matrix applies all of them here. torchvision clips after
    each.

    Args:
        image: (H, W, 3), RGB in 0 to 255, uint8 or float32.
        seed: int32 (2,).
        strength: 0 (no change) to 1.

    Returns:
        float32 (H, W, 3), not clipped: values may be outside 0 to 255.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.color import color_jitter
        >>> gray = tf.fill((4, 4, 3), 100.0)  # contrast and saturation do not change a gray image
        >>> bool(tf.reduce_all(tf.abs(color_jitter(gray, [0, 1], strength=0.4) - 100) <= 40))
        True
    """
    brightness, contrast, saturation = tf.unstack(tf.random.stateless_uniform([3], seed, 1 - strength, 1 + strength))
    pixels = tf.reshape(tf.cast(image, tf.float32), [-1, 3])
    mean_gray = tf.reduce_sum(tf.reduce_mean(pixels, 0) * GRAY)
    to_gray = np.repeat(GRAY[:, None], 3, axis=1)
    matrix = brightness * contrast * (saturation * np.eye(3, dtype="float32") + (1 - saturation) * to_gray)
    return _reshape_like(tf.matmul(pixels, matrix) + brightness * (1 - contrast) * mean_gray, image)


def pca_lighting(image: tf.Tensor, seed: tf.Tensor, std: float) -> tf.Tensor:
    """Adds one random color to all pixels, along the principal components of ImageNet's colors.

    The color is the sum of the eigenvectors, each times its eigenvalue and a number drawn from a normal distribution,
    once per image. Source: Krizhevsky et al. 2012, section 4.1 ("fancy PCA"); eigenvalues and eigenvectors of
    fb.resnet.torch, scaled from 0 to 1 to 0 to 255.

    Args:
        image: (H, W, 3), RGB in 0 to 255, uint8 or float32.
        seed: int32 (2,).
        std: standard deviation of the three numbers, 0.1 in both sources.

    Returns:
        float32 (H, W, 3), not clipped: values may be outside 0 to 255.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.color import pca_lighting
        >>> lit = pca_lighting(tf.zeros((4, 4, 3), tf.uint8), [0, 1], std=0.1)
        >>> lit.dtype.name, bool(tf.reduce_all(lit == lit[0, 0]))
        ('float32', True)
    """
    amounts = tf.random.stateless_normal([3], seed, stddev=std)
    color = tf.linalg.matvec(255 * PCA_EIGENVECTORS * PCA_EIGENVALUES, amounts)
    # Added to whole rows: broadcasting over an innermost axis of only three numbers takes three times as long.
    height, width = tf.unstack(tf.shape(image)[:2])
    rows = tf.reshape(tf.cast(image, tf.float32), [height, 3 * width])
    return _reshape_like(rows + tf.tile(color, [width]), image)


def _reshape_like(values, image):
    """`values` in the image's dynamic and static shape."""
    values = tf.reshape(values, tf.shape(image))
    values.set_shape(image.shape)
    return values
