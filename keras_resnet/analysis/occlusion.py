"""Occlusion: how much the probability of a class drops when a patch of the image is covered, for any kind of model."""

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from keras_resnet.errors import shown
from keras_resnet.evaluation.opening import open_model
from keras_resnet.rules import WHOLE, between, check
from keras_resnet.runtimes import Artifact
from keras_resnet.runtimes.occlusion import GRID, occluded
from keras_resnet.runtimes.prediction import BATCH_SIZE


class OcclusionMap(NamedTuple):
    """How much the probability of a class drops when a patch is covered.

    Attributes:
        label: the class.
        probability: of the class for the whole image, 0 to 1.
        drops: for each patch that probability minus the one without the patch, (grid, grid); negative where covering
            raises it.
    """

    label: int
    probability: float
    drops: np.ndarray


def occlusion_map(model: Any, image: np.ndarray, label: int | None = None, grid: int = GRID) -> OcclusionMap:
    """Covers each patch of an image in turn with the image's mean color.

    Source: Zeiler & Fergus 2013, https://arxiv.org/abs/1311.2901, section 4.2.

    Args:
        model: all that `keras_resnet.predict` takes: a Keras model, a run directory, an exported model or its path.
        image: as the model sees it, (height, width, channels), uint8 or float32 in 0 to 255.
        label: number of the class; default: the predicted one.
        grid: number of patches along a side.

    Raises:
        ValueError: the image does not fit the model, there is no such class, or the grid is finer than the pixels.

    Example:
        >>> import keras_resnet, numpy as np
        >>> from keras_resnet.analysis.occlusion import occlusion_map
        >>> occlusion_map(keras_resnet.ResNet20Cifar(), np.zeros((32, 32, 3), "uint8"), grid=2).drops.tolist()
        [[0.0, 0.0], [0.0, 0.0]]
    """
    artifact = open_model(model)
    check("grid", grid, WHOLE, between(1, min(image.shape[:2])))
    [whole] = artifact(image[None])
    label = int(whole.argmax()) if label is None else label
    if not 0 <= label < len(whole):
        raise ValueError(f"label={shown(label)} must be a class number below {len(whole)}.")
    covered = np.concatenate([rows[:, label] for rows in _probabilities(artifact, occluded(image, grid))])
    return OcclusionMap(label, float(whole[label]), (whole[label] - covered).reshape(grid, grid))


def _probabilities(artifact: Artifact, images: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """The probabilities of images, a batch at a time."""
    while batch := list(itertools.islice(images, BATCH_SIZE)):
        yield artifact(np.stack(batch))
