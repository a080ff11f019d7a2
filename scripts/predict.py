"""Prints the most probable classes of images.

    python scripts/predict.py RUN IMAGE... [--top=5]

RUN is the run directory of a training, or a .keras file.
"""

import sys

import doorway
from absl import flags

import keras_resnet

TOP = flags.DEFINE_integer("top", 5, "Classes to print for each image.", lower_bound=1)


def main(argv):
    if len(argv) < 3:
        sys.exit("usage: predict.py RUN IMAGE... [--top=5]")
    run, images = argv[1], argv[2:]
    predictions = keras_resnet.predict(run, images, top=TOP.value)
    for image, prediction in zip(images, predictions, strict=True):
        if isinstance(prediction, ValueError):
            print(f"{image}: error: {prediction}")
        else:
            print(f"{image}: " + ", ".join(f"{name} {probability:.4f}" for name, probability in prediction))
    if any(isinstance(prediction, ValueError) for prediction in predictions):
        sys.exit(1)


if __name__ == "__main__":
    doorway.run(main)
