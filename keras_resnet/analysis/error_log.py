"""errors.csv: a run's error and loss on training and on test images, both seen as in a test, after each epoch.

log.csv has the training error of augmented images, averaged over an epoch while the weights change, which cannot be
compared with the test error.
"""

import functools
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.data.batches import evaluation_batches
from keras_resnet.data.drawing import evenly_drawn
from keras_resnet.data.loading import Data
from keras_resnet.models.model import to_probabilities
from keras_resnet.run_directory import Run
from keras_resnet.transforms.views import center_view

FILE = "errors.csv"
IMAGES = 2500  # of each split; with ResNet-20 on CIFAR-10, about 4 % of an epoch's time
BATCH = 100


class Errors(NamedTuple):
    """How wrong a model is on some images.

    Attributes:
        loss: mean cross-entropy, without weight decay.
        error: fraction of the images whose most probable class is wrong, 0 to 1.
    """

    loss: float
    error: float


def measure(forward: Callable[[tf.Tensor], np.ndarray], batches: Iterable[tuple[Any, ...]]) -> Errors:
    """Measures loss and error.

    Args:
        forward: from a batch of images to probabilities (batch, classes).
        batches: tuples that begin with images and labels, class numbers (batch,).

    Example:
        >>> import numpy as np
        >>> from keras_resnet.analysis.error_log import measure
        >>> measure(lambda images: np.array([[0.5, 0.5], [1.0, 0.0]]), [(None, np.array([0, 1]))]).error
        0.5
    """
    losses, wrong = [], []
    for images, labels, *_ in batches:
        labels = np.asarray(labels)
        probabilities = np.asarray(forward(images), "float64")
        own = probabilities[np.arange(len(labels)), labels]
        losses.append(-np.log(np.maximum(own, keras.config.epsilon())))  # as in Keras's loss
        wrong.append(probabilities.argmax(axis=1) != labels)
    return Errors(float(np.concatenate(losses).mean()), float(np.concatenate(wrong).mean()))


def split_of_tests(data: Data) -> str:
    """The split on which a test error is measured: "test", or without one "validation".

    Raises:
        ValueError: the data have neither.

    Example:
        >>> import numpy as np, keras_resnet
        >>> from keras_resnet.analysis.error_log import split_of_tests
        >>> images = np.zeros((20, 8, 8, 3), "uint8"), np.arange(20) % 10
        >>> split_of_tests(keras_resnet.load_data((images, images)))
        'test'
    """
    for split in ("test", "validation"):
        if split in data.splits:
            return split
    raise ValueError(f"{data.name} has no test images; set validation_fraction to hold some out.")


class ErrorLog(keras.callbacks.Callback):
    """Writes errors.csv after each epoch: its rows have a number from 0, losses, errors, and the epoch's seconds.

    The images are always the same ones, drawn evenly from all classes. A repeated epoch replaces its row and later
    ones, so a resumed run ends with the rows of an uninterrupted one. The seconds of an epoch that was resumed within
    it are those of the rest.

    Args:
        run: the run directory.
        data: the images that the run trains on.
        images: number of images of each split.

    Raises:
        ValueError: the data have no test images.

    Example:
        >>> import keras, numpy as np, keras_resnet
        >>> from keras_resnet.analysis.error_log import FILE, ErrorLog
        >>> from keras_resnet.run_directory import Run
        >>> images = np.random.randint(0, 256, (64, 8, 8, 3), "uint8"), np.arange(64) % 10
        >>> data = keras_resnet.load_data((images, images))
        >>> layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(10)]
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), *layers])
        >>> log = ErrorLog(Run("run"), data)
        >>> recipe = keras_resnet.Recipe(epochs=1, batch_size=32)
        >>> _ = keras_resnet.train(model, data, recipe, "run", callbacks=[log], verbose=0)
        >>> list(Run("run").log(FILE)[0])
        ['epoch', 'training_loss', 'training_error', 'test_loss', 'test_error', 'seconds']
    """

    def __init__(self, run: Run, data: Data, images: int = IMAGES) -> None:
        super().__init__()
        self.run = run
        splits = {"training": "train", "test": split_of_tests(data)}
        self.batches = {name: _batches(data, split, images) for name, split in splits.items()}

    def on_epoch_begin(self, epoch, logs=None):
        self.begun = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch}
        for name, batches in self.batches.items():
            row[f"{name}_loss"], row[f"{name}_error"] = measure(self._forward, batches)
        row["seconds"] = round(time.perf_counter() - self.begun, 3)
        earlier = [before for before in self.run.log(FILE) if before["epoch"] < epoch]
        self.run.write_log([*earlier, row], FILE)

    @functools.cached_property
    def _forward(self) -> Callable[[tf.Tensor], np.ndarray]:
        call = tf.function(functools.partial(self.model, training=False), reduce_retracing=True)
        return lambda images: to_probabilities(self.model, call(images).numpy())


def _batches(data: Data, split: str, images: int) -> tf.data.Dataset:
    """Batches of some images of a split, always the same ones."""
    examples = data.splits[split]
    chosen = examples.take(evenly_drawn(examples.labels, images))
    return evaluation_batches(chosen, BATCH, lambda image: center_view(image, data.view)[0])
