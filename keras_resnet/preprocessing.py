"""What images mean to models: normalization constants, and helpers for code from keras.applications."""

import os
import pathlib

import numpy as np

# Mean and standard deviation of ImageNet's training images, RGB, in units of 0 to 255. They are
# (0.485, 0.456, 0.406) and (0.229, 0.224, 0.225) of fb.resnet.torch and torchvision times 255.
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


def preprocess_input(x, data_format=None):
    """Returns `x` as it is: a model of this package normalises its own input.

    It stands here for code that comes from `keras.applications`. Feed RGB images in 0 to 255.

    Example:
        >>> import keras_resnet
        >>> keras_resnet.preprocess_input([0, 255])
        [0, 255]
    """
    del data_format
    return x


def decode_predictions(preds, top: int = 5) -> list[list[tuple[str, str, float]]]:
    """The names of the most probable of ImageNet's 1,000 classes, as in `keras.applications`.

    The class index (35 kB) is Keras's own: read from its cache, or fetched at the first use and verified.

    Args:
        preds: probabilities (batch, 1000).
        top: classes to name, the most probable first.

    Returns:
        For each image a list of (WNID, name, probability).

    Raises:
        ValueError: `preds` is not (batch, 1000).
        OSError: the class index is not in the cache and cannot be fetched; says where to put it.

    Example:
        >>> import keras_resnet
        >>> keras_resnet.decode_predictions(probabilities, top=1)  # doctest: +SKIP
        [[('n02123045', 'tabby', 0.93)]]
    """
    from keras.applications import imagenet_utils

    if top < 1:
        raise ValueError(f"top={top} must be at least 1.")
    preds = np.asarray(preds)
    if preds.ndim != 2 or preds.shape[1] != 1000:
        raise ValueError(f"decode_predictions takes probabilities (batch, 1000), not {preds.shape}.")
    try:
        return imagenet_utils.decode_predictions(preds, top=top)
    except Exception as error:  # get_file raises bare Exceptions
        folder = pathlib.Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"
        raise OSError(
            f"ImageNet's class index cannot be had ({str(error).splitlines()[0]}); "
            f"put imagenet_class_index.json into {folder} by hand."
        ) from error
