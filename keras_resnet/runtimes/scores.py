"""A model's scores as probabilities, and images as the numbers that a model takes."""

from collections.abc import Sequence

import numpy as np

SUM_TOLERANCE = 1e-3  # of probabilities in float32 or bfloat16


def are_probabilities(scores: np.ndarray, tolerance: float = SUM_TOLERANCE) -> bool:
    """Whether scores (batch, classes) are not negative and each row sums to 1.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.runtimes.scores import are_probabilities
        >>> are_probabilities(np.array([[0.25, 0.75]])), are_probabilities(np.array([[1.0, 2.0]]))
        (True, False)
    """
    return bool((scores >= 0).all() and (np.abs(scores.sum(axis=1) - 1) < tolerance).all())


def softmax(logits: np.ndarray) -> np.ndarray:
    """The probabilities of logits (batch, classes).

    Example:
        >>> import numpy as np
        >>> from keras_resnet.runtimes.scores import softmax
        >>> softmax(np.array([[3.0, 3.0]])).tolist()
        [[0.5, 0.5]]
    """
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def most_probable(probabilities: np.ndarray, class_names: Sequence[str], top: int) -> list[tuple[str, float]]:
    """The names and probabilities of the `top` most probable classes of an image, the most probable first.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.runtimes.scores import most_probable
        >>> most_probable(np.array([0.25, 0.75]), ("cat", "dog"), top=1)
        [('dog', 0.75)]
    """
    order = np.argsort(-probabilities, kind="stable")[:top]
    return [(class_names[index], float(probabilities[index])) for index in order]


def converted(images: np.ndarray, dtype: np.dtype | type | str, scale: float = 1.0, zero_point: int = 0) -> np.ndarray:
    """Images in 0 to 255 as numbers of another type; integers are rounded, and saturate.

    Args:
        images: uint8 or floats.
        dtype: of the result.
        scale: of quantized values: image = scale * (value - zero_point).
        zero_point: likewise.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.runtimes.scores import converted
        >>> converted(np.array([0.0, 100.7, 300.0]), "uint8").tolist()
        [0, 101, 255]
        >>> converted(np.array([0, 255], "uint8"), "int8", zero_point=-128).tolist()
        [-128, 127]
    """
    dtype = np.dtype(dtype)
    if dtype.kind == "f" or (dtype == images.dtype and (scale, zero_point) == (1.0, 0)):
        return images.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(images / np.float32(scale)) + zero_point, limits.min, limits.max).astype(dtype)
