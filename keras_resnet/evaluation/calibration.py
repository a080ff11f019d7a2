"""Calibration: whether probabilities are right as often as they say, and temperature scaling.

Source: Guo et al. 2017, On Calibration of Modern Neural Networks, https://arxiv.org/abs/1706.04599.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from keras_resnet.evaluation.split_predictions import Predictions
from keras_resnet.runtimes.scores import softmax

BINS = 15  # of the reliability diagram, as in the paper's tables
SMALLEST = np.finfo("float32").tiny  # in place of a probability that is 0 in float32
TEMPERATURES = (0.01, 100.0)  # between which a temperature is fitted


@dataclasses.dataclass(frozen=True, eq=False)
class Reliability:
    """A reliability diagram: images in bins by confidence, the probability of their most probable class.

    Bin m of M holds the images with a confidence above (m - 1) / M and at most m / M. Source: section 2.

    Attributes:
        images: number of images in each bin, int (bins,).
        confidence: mean confidence of the images in each bin, 0 to 1 (bins,); NaN in an empty bin.
        accuracy: fraction of the images in each bin that are right, 0 to 1 (bins,); NaN in an empty bin.
    """

    images: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def edges(self) -> np.ndarray:
        """The bounds of the bins, (bins + 1,)."""
        return np.arange(len(self.images) + 1) / len(self.images)

    @property
    def gaps(self) -> np.ndarray:
        """Distance of confidence and accuracy in each bin, 0 to 1 (bins,); 0 in an empty bin."""
        return np.nan_to_num(np.abs(self.confidence - self.accuracy))

    @property
    def expected_error(self) -> float:
        """The expected calibration error (ECE), 0 to 1: the mean gap over all images (equation 3)."""
        return float(self.gaps @ self.images / self.images.sum())

    @property
    def maximum_error(self) -> float:
        """The maximum calibration error (MCE), 0 to 1: the largest gap of a bin (equation 5)."""
        return float(self.gaps.max())

    @property
    def mean_confidence(self) -> float:
        """The mean confidence of all images, 0 to 1."""
        return float(np.nansum(self.confidence * self.images) / self.images.sum())

    @property
    def mean_accuracy(self) -> float:
        """The fraction of all images that are right, 0 to 1."""
        return float(np.nansum(self.accuracy * self.images) / self.images.sum())


def reliability(probabilities: np.ndarray, right_outputs: np.ndarray, bins: int = BINS) -> Reliability:
    """The reliability diagram of predictions.

    Args:
        probabilities: (N, classes).
        right_outputs: the class of each image, int (N,).
        bins: number of bins of equal width.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.evaluation.calibration import reliability
        >>> sure_and_wrong_once = np.array([[0.9, 0.1]] * 2)
        >>> round(reliability(sure_and_wrong_once, np.array([0, 1])).expected_error, 6)
        0.4
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == right_outputs
    bin_of = np.searchsorted(np.arange(1, bins) / bins, confidence, side="left")
    images, *sums = (np.bincount(bin_of, weights, bins) for weights in (None, confidence, right))
    with np.errstate(invalid="ignore"):  # 0 / 0 of an empty bin
        return Reliability(images, *(total / images for total in sums))


def negative_log_likelihood(probabilities: np.ndarray, right_outputs: np.ndarray) -> float:
    """The mean of -log(probability of the right class), in nats. A probability of 0 counts as float32's smallest.

    Args:
        probabilities: (N, classes).
        right_outputs: the class of each image, int (N,).

    Example:
        >>> import numpy as np
        >>> from keras_resnet.evaluation.calibration import negative_log_likelihood
        >>> round(negative_log_likelihood(np.array([[0.5, 0.5]]), np.array([0])), 4)  # log(2)
        0.6931
    """
    return float(-_logits(probabilities)[np.arange(len(right_outputs)), right_outputs].mean())


def _logits(probabilities: np.ndarray) -> np.ndarray:
    """Logits up to a constant for each image, which a softmax removes."""
    return np.log(np.maximum(probabilities, SMALLEST))


def with_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """The probabilities that a network would give with its logits divided by a temperature (section 4.2).

    Args:
        probabilities: (N, classes).
        temperature: above 1 for less confidence, below 1 for more; the most probable class stays the same.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.evaluation.calibration import with_temperature
        >>> with_temperature(np.array([[0.8, 0.2]]), 2.0).round(6).tolist()
        [[0.666667, 0.333333]]
    """
    return softmax(_logits(probabilities) / temperature)


def fit_temperature(probabilities: np.ndarray, right_outputs: np.ndarray) -> float:
    """The temperature with the lowest negative log-likelihood (section 4.2), between 0.01 and 100.

    It is one of the bounds if the likelihood grows up to it, as at 0.01 if all images are right.

    Args:
        probabilities: (N, classes).
        right_outputs: the class of each image, int (N,).

    Example:
        >>> import numpy as np
        >>> from keras_resnet.evaluation.calibration import fit_temperature
        >>> says, labels = np.array([[0.9, 0.1]] * 4), np.array([0, 0, 0, 1])  # right in 3 of 4 cases
        >>> round(fit_temperature(says, labels), 6)  # log(9) / log(3)
        2.0
    """
    logits = _logits(probabilities)
    of_right = logits[np.arange(len(right_outputs)), right_outputs]
    low, high = np.log(TEMPERATURES)
    for _ in range(40):  # halves the interval: the likelihood is concave in 1 / temperature
        middle = (low + high) / 2
        expected = (with_temperature(probabilities, np.exp(middle)) * logits).sum(axis=1)
        too_confident = (expected - of_right).mean() > 0
        low, high = (middle, high) if too_confident else (low, middle)
    return float(np.exp((low + high) / 2))


class Measured(NamedTuple):
    """The calibration of a model at a temperature.

    Attributes:
        temperature: by which logits are divided; 1 for the model as it is.
        reliability: its reliability diagram.
        likelihood: its negative log-likelihood, nats.
    """

    temperature: float
    reliability: Reliability
    likelihood: float


def measure(predicted: Predictions, temperature: float = 1.0) -> Measured:
    """Measures the calibration of a model at a temperature.

    Args:
        predicted: what the model says about a split.
        temperature: by which its logits are divided.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.evaluation.calibration import measure
        >>> from keras_resnet.evaluation.split_predictions import Predictions
        >>> says, labels, both = np.array([[0.75, 0.25]] * 4), np.array([0, 0, 0, 1]), np.arange(2)
        >>> predicted = Predictions("test", "", says, labels, np.arange(4), both, ("cat", "dog"))
        >>> round(measure(predicted).reliability.expected_error, 6)
        0.0
    """
    probabilities = with_temperature(predicted.probabilities, temperature)
    right = predicted.right_outputs
    return Measured(temperature, reliability(probabilities, right), negative_log_likelihood(probabilities, right))


def halves(predicted: Predictions) -> tuple[Predictions, Predictions]:
    """The predictions for half of the images of each class, drawn at random, and those for the others.

    Args:
        predicted: what the model says about a split.

    Raises:
        ValueError: there are less than two images.
    """
    count = len(predicted.labels)
    if count < 2:
        raise ValueError(f"A temperature needs at least 2 {predicted.split} images; {count} is readable.")
    shuffled = np.random.default_rng(0).permutation(count)
    by_class = shuffled[np.argsort(predicted.labels[shuffled], kind="stable")]
    first = np.isin(np.arange(count), by_class[1::2])
    one, other = (
        dataclasses.replace(
            predicted,
            probabilities=predicted.probabilities[half],
            labels=predicted.labels[half],
            positions=predicted.positions[half],
        )
        for half in (first, ~first)
    )
    return one, other
