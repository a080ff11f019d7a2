"""Accuracy by the ReaL labels, a reassessment of ImageNet's validation labels (Beyer et al. 2020)."""

import json
import os
import pathlib
from collections.abc import Sequence

import numpy as np

from keras_resnet.data.examples import Encoded, Examples


def read_real_labels(path: str | os.PathLike, examples: Examples) -> list[list[int]]:
    """The ReaL labels of each example: the classes of all objects in its image, none if the assessors disagreed.

    Args:
        path: `real.json` of https://arxiv.org/abs/2006.07159: a list of labels for each image, in order of file names.
        examples: image files or records; any order.

    Raises:
        ValueError: the file is damaged, the number of images differs, or file names do not tell the images apart.
    """
    try:
        labels = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}).") from error
    if not isinstance(labels, list) or not all(isinstance(of_image, list) for of_image in labels):
        raise ValueError(f"{path} is no file of ReaL labels: it must have a list of labels for each image.")
    if not isinstance(examples, Encoded) or len(labels) != len(examples):
        raise ValueError(f"{path} has labels for {len(labels)} image files, but the split has {len(examples)} images.")
    names = examples.file_names()
    positions = {name: position for position, name in enumerate(sorted(names))}
    if len(positions) < len(names):
        raise ValueError(f"ReaL labels are in order of file names, but some of the {len(names)} images share a name.")
    return [labels[positions[name]] for name in names]


def count_by_real_labels(probabilities: np.ndarray, real_labels: Sequence[Sequence[int]]) -> tuple[int, int]:
    """Counts correct images, and images with labels.

    Args:
        probabilities: (N, classes).
        real_labels: the labels of each image.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.evaluation.real_labels import count_by_real_labels
        >>> count_by_real_labels(np.eye(3), [[0, 2], [0], []])
        (1, 2)
    """
    images = zip(probabilities.argmax(axis=1), real_labels, strict=True)
    labeled = [(predicted, labels) for predicted, labels in images if labels]
    return sum(predicted in labels for predicted, labels in labeled), len(labeled)
