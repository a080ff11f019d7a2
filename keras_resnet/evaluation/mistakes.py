"""The mistakes that a model is most confident of, and their images."""

import functools
from typing import NamedTuple

import numpy as np

from keras_resnet.data.batches import evaluation_batches
from keras_resnet.data.examples import Encoded, Examples
from keras_resnet.evaluation.split_predictions import Predictions
from keras_resnet.transforms.views import center_view
from keras_resnet.view import View

BATCH = 64  # images decoded at a time


class Mistake(NamedTuple):
    """An image that a model classifies wrong.

    Attributes:
        position: of the image in its split, from 0.
        label: its class.
        prediction: the most probable class to the model.
        probability: of the prediction, 0 to 1.
        label_probability: of the image's class, 0 to 1.
    """

    position: int
    label: str
    prediction: str
    probability: float
    label_probability: float


def worst_mistakes(predicted: Predictions, count: int | None = None) -> list[Mistake]:
    """The images that a model classifies wrong, those with the highest probability of the wrong class first.

    Args:
        predicted: what the model says about a split.
        count: the most mistakes to return; all by default.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.evaluation.mistakes import worst_mistakes
        >>> from keras_resnet.evaluation.split_predictions import Predictions
        >>> says = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
        >>> labels, both = np.array([0, 1, 1]), np.arange(2)
        >>> worst_mistakes(Predictions("test", "", says, labels, np.arange(3), both, ("cat", "dog")))
        [Mistake(position=1, label='dog', prediction='cat', probability=0.8, label_probability=0.2)]
    """
    right, said, names = predicted.right_outputs, predicted.predicted_outputs, predicted.output_names
    wrong = np.flatnonzero(right != said)
    order = wrong[np.argsort(-predicted.probabilities[wrong, said[wrong]], kind="stable")][:count]
    return [
        Mistake(
            int(predicted.positions[row]),
            names[right[row]],
            names[said[row]],
            float(predicted.probabilities[row, said[row]]),
            float(predicted.probabilities[row, right[row]]),
        )
        for row in order
    ]


def images_at(examples: Examples, positions: list[int], view: View) -> np.ndarray:
    """The images at positions of a split, as a model sees them in a test.

    Args:
        examples: of the split.
        positions: of readable images, in any order.
        view: the part of each image, and its size.

    Returns:
        Images (N, height, width, channels), uint8, in the order of the positions.

    Example:
        >>> import numpy as np, keras_resnet
        >>> from keras_resnet.evaluation.mistakes import images_at
        >>> images = np.arange(3, dtype="uint8")[:, None, None, None] * np.ones((8, 8, 3), "uint8")
        >>> data = keras_resnet.load_data((images, np.arange(3)))
        >>> images_at(data.train, [2, 0], data.view)[:, 0, 0, 0].tolist()
        [2, 0]
    """
    ascending, order = np.unique(positions, return_inverse=True)
    if not len(ascending):
        return np.zeros((0, *view.size, examples.image_shape[-1]), "uint8")
    crop = functools.partial(center_view, view=view)
    batches = evaluation_batches(examples.take(ascending), BATCH, crop)
    images = np.concatenate([views[:, 0] for views, _, _ in batches])
    return np.clip(np.round(images), 0, 255).astype("uint8")[order]


def image_names(examples: Examples, positions: list[int]) -> list[str]:
    """Names of the images at positions of a split: of files and records their paths, else "image 5".

    Args:
        examples: of the split.
        positions: in any order.

    Example:
        >>> import numpy as np, keras_resnet
        >>> from keras_resnet.evaluation.mistakes import image_names
        >>> data = keras_resnet.load_data((np.zeros((3, 8, 8, 3), "uint8"), np.arange(3)))
        >>> image_names(data.train, [2, 0])
        ['image 2', 'image 0']
    """
    if not isinstance(examples, Encoded):
        return [f"image {position}" for position in positions]
    ascending, order = np.unique(positions, return_inverse=True)
    chosen: Encoded = examples.take(ascending)  # type: ignore[assignment]
    names = [chosen.name(int(index)) for index, *_ in chosen.handles()]
    return [names[place] for place in order]
