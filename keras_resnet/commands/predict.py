"""Predicts the most probable classes of images."""

from absl import flags

import keras_resnet
from keras_resnet.commands.app import usage_error


def define_flags() -> None:
    """Defines the flags of the command."""
    flags.DEFINE_integer("top", 5, "Number of classes to print for each image.", lower_bound=1)


def main(argv: list[str]) -> int:
    """Prints the classes of each image; the exit code is 1 if an image is unreadable."""
    if len(argv) < 3:
        raise usage_error(argv, "RUN IMAGE... [--top=5]")
    run, images = argv[1], argv[2:]
    predictions = keras_resnet.predict(run, images, top=flags.FLAGS.top)
    for image, prediction in zip(images, predictions, strict=True):
        if isinstance(prediction, ValueError):
            print(f"{image}: error: {prediction}")
        else:
            print(f"{image}: " + ", ".join(f"{name} {probability:.4f}" for name, probability in prediction))
    return int(any(isinstance(prediction, ValueError) for prediction in predictions))
