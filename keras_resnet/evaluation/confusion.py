"""The confusion matrix: which classes a model takes for which."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keras_resnet.evaluation.split_predictions import Predictions
from keras_resnet.reporting.findings import wrong


class Confusion(NamedTuple):
    """Images of one class that a model takes for another.

    Attributes:
        label: the class of the images.
        prediction: what the model takes them for.
        images: number of these images.
        of: number of all images of the class.
    """

    label: str
    prediction: str
    images: int
    of: int


def confusion_matrix(predicted: Predictions) -> np.ndarray:
    """Counts the images of each class by the class that the model predicts.

    Args:
        predicted: what the model says about a split.

    Returns:
        Numbers of images, int32 (classes, classes): a row for each class of the data, a column for each prediction. If
        the model tells more classes apart than the data have, a last column counts predictions of the others.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.evaluation.confusion import confusion_matrix
        >>> from keras_resnet.evaluation.split_predictions import Predictions
        >>> says = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
        >>> labels, both = np.array([0, 1, 1]), np.arange(2)
        >>> confusion_matrix(Predictions("test", "", says, labels, np.arange(3), both, ("cat", "dog"))).tolist()
        [[1, 0], [1, 1]]
    """
    classes, outputs = len(predicted.outputs), len(predicted.output_names)
    column_of = np.full(outputs, classes)  # of each output; the last one is for other classes
    column_of[predicted.outputs] = np.arange(classes)
    counts = np.zeros((classes, classes + (outputs > classes)), "int32")
    np.add.at(counts, (predicted.labels, column_of[predicted.predicted_outputs]), 1)
    return counts


def most_confused(matrix: np.ndarray, names: Sequence[str], count: int | None = None) -> list[Confusion]:
    """The pairs of different classes that a model confuses, the most frequent first.

    Args:
        matrix: from `confusion_matrix`.
        names: of its columns.
        count: the most pairs to return; all by default.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.evaluation.confusion import most_confused
        >>> most_confused(np.array([[8, 2], [3, 7]]), ["cat", "dog"], 1)
        [Confusion(label='dog', prediction='cat', images=3, of=10)]
    """
    mistaken = wrong(matrix)
    occurring = np.flatnonzero(mistaken)  # few of all pairs, if there are thousands of classes
    order = occurring[np.argsort(-mistaken.flat[occurring], kind="stable")][:count]
    pairs = zip(*np.unravel_index(order, matrix.shape), strict=True)
    images = matrix.sum(axis=1)
    return [Confusion(names[label], names[said], int(matrix[label, said]), int(images[label])) for label, said in pairs]


def column_names(matrix: np.ndarray, class_names: Sequence[str]) -> list[str]:
    """The names of the columns of a confusion matrix: the classes, and "other" if it has a last column for others.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.evaluation.confusion import column_names
        >>> column_names(np.zeros((2, 3)), ["cat", "dog"])
        ['cat', 'dog', '(other)']
    """
    return [*class_names, "(other)"][: matrix.shape[1]]
