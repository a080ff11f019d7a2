"""Loss and accuracy of a model on labeled images."""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.analysis.samples import Sample, sample
from keras_resnet.data.loading import Data
from keras_resnet.evaluation.calibration import SMALLEST, negative_log_likelihood
from keras_resnet.evaluation.checks import check_takes_images
from keras_resnet.evaluation.class_matching import match_classes
from keras_resnet.models.model import ends_in_sigmoid, number_of_classes, to_probabilities

BATCH = 128  # images computed at a time
SMALLEST_REST = np.finfo("float32").epsneg  # in place of 1 - p for a p that is 1 in float32


class Score(NamedTuple):
    """How well a model classifies images.

    Attributes:
        loss: mean cross entropy, nats; of a model that ends in a sigmoid, the binary one, averaged over the classes.
        accuracy: fraction of the images whose class has the highest score, 0 to 1.
    """

    loss: float
    accuracy: float

    @property
    def error(self) -> float:
        """Images that are classified wrongly, percent."""
        return 100 * (1 - self.accuracy)


def score(model: keras.Model, outputs: np.ndarray, labels: np.ndarray) -> Score:
    """Loss and accuracy of a model's outputs.

    Args:
        model: whose last layer tells whether the outputs are logits or probabilities.
        outputs: (N, classes).
        labels: numbers of the right outputs, (N,).

    Returns:
        The score, computed in float64. Its loss is infinite if an output is NaN or infinite.

    Example:
        >>> import numpy as np, keras_resnet
        >>> from keras_resnet.analysis.scores import score
        >>> outputs = np.array([[0.5, 0.5], [0.25, 0.75]])
        >>> round(score(keras_resnet.ResNet20Cifar(classes=2), outputs, np.array([0, 1])).loss, 4)
        0.4904
    """
    outputs = np.asarray(outputs, "float64")
    accuracy = float((outputs.argmax(axis=1) == labels).mean())
    if not np.isfinite(outputs).all():
        return Score(float("inf"), accuracy)
    if ends_in_sigmoid(model):
        return Score(_binary_cross_entropy(outputs, labels), accuracy)
    return Score(negative_log_likelihood(to_probabilities(model, outputs), labels), accuracy)


def _binary_cross_entropy(outputs: np.ndarray, labels: np.ndarray) -> float:
    """The mean binary cross-entropy of the outputs of a sigmoid, over images and classes."""
    is_right = np.arange(outputs.shape[1]) == np.asarray(labels)[:, None]
    of_right = np.where(is_right, np.maximum(outputs, SMALLEST), np.maximum(1 - outputs, SMALLEST_REST))
    return float(-np.log(of_right).mean())


def guessing_loss(model: keras.Model) -> float:
    """The loss of the best guess without an image, nats: each class has the same probability.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.analysis.scores import guessing_loss
        >>> round(guessing_loss(keras_resnet.ResNet20Cifar()), 4)  # log(10)
        2.3026
    """
    classes = number_of_classes(model)
    if ends_in_sigmoid(model):
        return _binary_cross_entropy(np.full((1, classes), 1 / classes), np.zeros(1, int))
    return math.log(classes)


def scorer(model: keras.Model, images: Sample, training: bool = False) -> Callable[[], Score]:
    """A function that returns the score of the weights that the model has when it is called.

    Args:
        model: one with outputs (batch, classes).
        images: with labels.
        training: whether to compute as in training, so that normalizations use the statistics of batches of 128 images.
            The moving statistics stay as they are.

    Example:
        >>> import numpy as np, keras_resnet
        >>> from keras_resnet.analysis.samples import Sample
        >>> from keras_resnet.analysis.scores import scorer
        >>> images = Sample(np.zeros((2, 32, 32, 3), "float32"), np.array([0, 1]))
        >>> scorer(keras_resnet.ResNet20Cifar(), images)().accuracy <= 0.5  # two equal images, two classes
        True
    """

    @tf.function(autograph=False, reduce_retracing=True)
    def forward(batch: tf.Tensor) -> Any:
        # Without side effects: in training, a plain call would move the moving statistics.
        return model.stateless_call(model.trainable_variables, model.non_trainable_variables, batch, training=training)[
            0
        ]

    return lambda: score(model, np.concatenate([forward(batch) for batch in batches(images)]), images.labels)


def batches(images: Sample) -> Iterator[tf.Tensor]:
    """The images in batches of at most 128, of the same size up to one image."""
    for batch in np.array_split(images.images, -(-len(images.images) // BATCH)):
        yield tf.convert_to_tensor(batch)


def sample_for(model: keras.Model, data: Data, split: str, count: int) -> Sample:
    """Images as from `sample`, labeled with the numbers of a model's outputs, whose order and number may differ.

    Raises:
        ValueError: as `sample`, or the model has no classifier or does not fit the data.

    Example:
        >>> import numpy as np, keras_resnet
        >>> from keras_resnet.analysis.scores import sample_for
        >>> data = keras_resnet.load_data((np.zeros((20, 32, 32, 3), "uint8"), np.arange(20) % 10))
        >>> sample_for(keras_resnet.ResNet20Cifar(), data, "train", 5).images.shape
        (5, 32, 32, 3)
    """
    number_of_classes(model)
    check_takes_images(model, data, data.test_shape)
    outputs = match_classes(model, data)
    images, labels = sample(data, split, count)
    return Sample(images, outputs[labels])
