"""What `analyze mistakes` and `analyze calibration` share: the predictions of a model for the images of a split."""

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

from keras_resnet.commands.analyze import subject
from keras_resnet.commands.flags import FLAGS

if TYPE_CHECKING:
    import keras

    from keras_resnet.data import Data
    from keras_resnet.evaluation.split_predictions import Predictions

IMAGES = 10_000  # the default of --images: all of CIFAR's test set


def define_flags() -> None:
    """Defines the flags of the command."""
    subject.define_image_flags(IMAGES)
    subject.define_output_flag()


class Opened(NamedTuple):
    """The model to analyze, the images, and the name of the split."""

    model: "keras.Model"
    data: "Data"
    split: str


def open_from_flags(name: str) -> Opened:
    """The model of that name, and the images of --data_dir, --data and --split; errors are those of `subject`."""
    data = subject.data_from_flags(name)
    return Opened(subject.model_for(name, data), data, subject.split_from_flags(data))


def predict_from_flags(opened: Opened, split: str | None = None) -> "Predictions":
    """What the model says about at most --images images, as many of each class as possible.

    Args:
        opened: the model and the images.
        split: another one than that of --split.
    """
    from keras_resnet.data.drawing import evenly_drawn
    from keras_resnet.evaluation.split_predictions import predictions

    model, data, split = opened.model, opened.data, split or opened.split
    drawn = evenly_drawn(data.splits[split].labels, FLAGS.images)
    some: dict[str, Any] = {split: data.splits[split].take(drawn)}
    predicted = predictions(model, dataclasses.replace(data, **some), split)
    return dataclasses.replace(predicted, positions=drawn[predicted.positions])
