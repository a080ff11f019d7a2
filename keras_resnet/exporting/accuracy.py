"""What an export costs in accuracy: the images that the model and the artifact classify correctly."""

import dataclasses
import os

import keras
import numpy as np

from keras_resnet.data.batches import evaluation_batches
from keras_resnet.data.loading import Data, load_data
from keras_resnet.data.unreadable import UnreadableImages, none_readable
from keras_resnet.evaluation.checks import check_takes_images, checked_split
from keras_resnet.evaluation.class_matching import match_names
from keras_resnet.progress import bar_shown
from keras_resnet.runtimes import Metadata
from keras_resnet.runtimes.artifact import Artifact
from keras_resnet.transforms.views import center_view

BATCH_SIZE = 64


@dataclasses.dataclass(frozen=True)
class Accuracies:
    """How many images of a split the model and the artifact classify correctly.

    Attributes:
        split: "test", "validation" or "train".
        images: number of images; unreadable ones are not counted.
        correct: of the model in float32.
        exported_correct: of the artifact.
        precision: of the artifact.

    Example:
        >>> from keras_resnet.exporting.accuracy import Accuracies
        >>> print(Accuracies("test", 10_000, correct=9173, exported_correct=9165, precision="int8"))
        float 9173, int8 9165 of 10,000 test images
    """

    split: str
    images: int
    correct: int
    exported_correct: int
    precision: str

    def __str__(self) -> str:
        return f"float {self.correct}, {self.precision} {self.exported_correct} of {self.images:,} {self.split} images"


def compare_accuracy(
    model: keras.Model,
    artifact: Artifact,
    data: Data | str | os.PathLike,
    split: str | None = None,
    *,
    data_dir: str | os.PathLike | None = None,
    verbose: int | str = "auto",
) -> Accuracies:
    """Classifies the images of a split by a model and by its artifact, and counts the correct answers of both.

    Args:
        model: the model in float32, with one output per class.
        artifact: the exported model; its metadata have the view, if any, and the names of the classes.
        data: from `load_data`, or its first argument: a folder of photos, a record set, or the name of a data set.
        split: "test", "validation" or "train"; default: the first that exists.
        data_dir: as for `load_data`.
        verbose: 1 for a progress bar, 0 for none, "auto" for one on a terminal.

    Raises:
        FileNotFoundError: there are no such data.
        ValueError: the data have no such split, classes that the model does not know, images of a shape that it does
            not take, or no readable image.

    Example:
        >>> from keras_resnet.exporting.accuracy import compare_accuracy
        >>> compare_accuracy(model, open_artifact("net.onnx"), "photos/flowers")  # doctest: +SKIP
    """
    data, split = data_and_split(data, split, data_dir)
    metadata = artifact.metadata
    outputs = outputs_of_classes(model, metadata, data)
    view, examples = metadata.view or data.view, data.splits[split]
    bar = keras.utils.Progbar(len(examples), verbose=bar_shown(verbose), unit_name="image")
    counts = np.zeros(3, int)
    for images, labels, _ in evaluation_batches(
        examples, BATCH_SIZE, lambda image: center_view(image, view)[0], UnreadableImages()
    ):
        right = outputs[labels.numpy()]
        answers = model.predict_on_batch(images), artifact(images.numpy())
        counts += len(right), *((scores.argmax(axis=1) == right).sum() for scores in answers)
        bar.add(len(right))
    if not counts[0]:
        raise none_readable(len(examples), split, data.name)
    total, correct, exported_correct = counts.tolist()
    return Accuracies(split, total, correct, exported_correct, metadata.precision)


def outputs_of_classes(model: keras.Model, metadata: Metadata, data: Data) -> np.ndarray:
    """The model's output for each class of the data, int (classes,).

    Raises:
        ValueError: the model does not know a class of the data, or does not take images of their shape.
    """
    view = metadata.view or data.view
    check_takes_images(model, data, (*view.size, data.image_shape[-1]))
    return match_names(metadata.name, metadata.class_names, (len(metadata.class_names),), data)


def data_and_split(
    data: Data | str | os.PathLike, split: str | None = None, data_dir: str | os.PathLike | None = None
) -> tuple[Data, str]:
    """The data and the name of the split to classify; the arguments are those of `compare_accuracy`.

    Raises:
        FileNotFoundError: there are no such data.
        ValueError: the data have no such split.

    Example:
        >>> import numpy as np, keras_resnet
        >>> from keras_resnet.exporting.accuracy import data_and_split
        >>> data = keras_resnet.load_data((np.zeros((20, 32, 32, 3), "uint8"), np.arange(20) % 10))
        >>> data_and_split(data)[1]
        'train'
    """
    data = data if isinstance(data, Data) else load_data(data, data_dir=data_dir)
    return data, checked_split(data, split)
