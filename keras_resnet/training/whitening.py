"""A stem that whitens: its first convolution has the principal components of the images' patches as filters."""

from collections.abc import Iterable

import keras
import numpy as np

from keras_resnet.data.loading import Data
from keras_resnet.layers import StandardizedConv2D

IMAGES = 2_000  # to compute the components from
SMALLEST_VARIANCE = 5e-4  # added to each component's, so that noise is not amplified without limit (Jordan 2024)


def whiten_stem(model: keras.Model, data: Data) -> None:
    """Sets the first convolution of a model to a whitening of the patches of training images, and freezes it.

    Half of the filters are the leading principal components of the patches that the convolution sees, scaled to a
    variance of 1; the other half are their negatives, so that a ReLU after them loses nothing. Filters beyond twice the
    number of values of a patch keep their random weights.

    Source: Page 2018, "How to Train Your ResNet", part 8, and Jordan 2024, https://arxiv.org/abs/2404.00498, section
    3.2.

    Args:
        model: of this package, with random weights.
        data: whose training images are sampled, in the view of a test.

    Raises:
        ValueError: the model standardizes its filters.
    """
    stem = next(layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D))
    if isinstance(stem, StandardizedConv2D):
        raise ValueError(
            f"recipe: whitened_stem needs filters as they are, but those of {model.name} are standardized."
        )
    before = keras.Model(model.inputs[0], stem.input)
    batches = (keras.ops.convert_to_numpy(before(images)).astype("float64") for images in data.sample(IMAGES))
    random = np.asarray(stem.kernel)
    filters = whitening_filters(batches, random.shape[:2])[..., : random.shape[-1] // 2]
    paired = np.concatenate([filters, -filters], axis=-1)
    stem.kernel.assign(np.concatenate([paired, random[..., paired.shape[-1] :]], axis=-1))
    stem.trainable = False


def whitening_filters(batches: Iterable[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """The principal components of patches of images as filters, the largest variance first.

    Args:
        batches: images (B, H, W, C).
        size: (height, width) of a patch.

    Returns:
        (height, width, C, height * width * C). On the patches, minus their mean, each filter has a variance just below
        1, and is uncorrelated with the others.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.training.whitening import whitening_filters
        >>> images = np.random.default_rng(0).normal(size=(100, 8, 8, 1))
        >>> filters = whitening_filters([images], (2, 2)).reshape(4, 4)
        >>> np.abs(filters.T @ filters).round().astype(int)  # patches of noise are uncorrelated already
        array([[1, 0, 0, 0],
               [0, 1, 0, 0],
               [0, 0, 1, 0],
               [0, 0, 0, 1]])
    """
    count, total, products = 0, np.zeros(()), np.zeros(())
    for images in batches:
        windows = np.lib.stride_tricks.sliding_window_view(images, size, axis=(1, 2))  # (B, H', W', C, height, width)
        apart = windows[:, :: size[0], :: size[1]].transpose(0, 1, 2, 4, 5, 3)
        patches = apart.reshape(-1, int(np.prod(apart.shape[3:])))
        count, total, products = count + len(patches), total + patches.sum(0), products + patches.T @ patches
    mean = total / count
    variances, components = np.linalg.eigh(products / count - np.outer(mean, mean))
    # The sign of a component is arbitrary, and differs between libraries.
    components = components * np.sign(components[np.abs(components).argmax(0), np.arange(len(mean))])
    filters = components / np.sqrt(np.maximum(variances, 0) + SMALLEST_VARIANCE)
    return filters[:, ::-1].reshape(*size, -1, len(mean))
