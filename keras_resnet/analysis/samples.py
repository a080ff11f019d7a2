"""Labeled images to analyze a model on."""

import functools
from typing import NamedTuple

import numpy as np

from keras_resnet.data.batches import evaluation_batches
from keras_resnet.data.drawing import SEED, evenly_drawn
from keras_resnet.data.loading import Data
from keras_resnet.data.unreadable import none_readable
from keras_resnet.evaluation.checks import checked_split
from keras_resnet.rules import ABOVE_ZERO, WHOLE, check
from keras_resnet.transforms.views import center_view

BATCH = 64  # images decoded at a time


class Sample(NamedTuple):
    """Images as a model is tested on them.

    Attributes:
        images: float32 or uint8 (N, height, width, channels), RGB in 0 to 255.
        labels: class numbers (N,), int32.
    """

    images: np.ndarray
    labels: np.ndarray


def sample(data: Data, split: str, count: int) -> Sample:
    """Images of a split, drawn at random and as evenly as possible from all classes; always the same ones.

    They are in random order, so that a batch of them has images of all classes: photos are sorted by class.

    Unreadable images are left out.

    Args:
        data: from `keras_resnet.load_data`.
        split: "train", "validation" or "test".
        count: number of images; all, if the split has less.

    Raises:
        ValueError: the data has no such split, the count is invalid, or no image is readable.

    Example:
        >>> import numpy as np, keras_resnet
        >>> from keras_resnet.analysis.samples import sample
        >>> data = keras_resnet.load_data((np.zeros((20, 8, 8, 3), "uint8"), np.arange(20) % 10))
        >>> sorted(sample(data, "train", 10).labels.tolist())
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    check("count", count, WHOLE, ABOVE_ZERO)
    examples = data.splits[checked_split(data, split)]
    chosen = examples.take(evenly_drawn(examples.labels, count))
    view = functools.partial(center_view, view=data.view)
    batches = [(images[:, 0], labels) for images, labels, _ in evaluation_batches(chosen, BATCH, view)]
    if not batches:
        raise none_readable(len(chosen), split, data.name)
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    order = np.random.default_rng(SEED).permutation(len(images))
    return Sample(images[order], labels[order])
