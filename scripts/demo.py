"""Trains a small ResNet on handwritten digits, exports it, and predicts with the export: two minutes on a CPU.

    python scripts/demo.py [--workdir=runs/demo]

The images are scikit-learn's: 1,797 scans of 8x8 pixels, a fifth of them held out for testing.
"""

import pathlib
import sys
from typing import TYPE_CHECKING

import numpy as np
from absl import flags

import keras_resnet
from keras_resnet.commands import app
from keras_resnet.commands.table import Command

if TYPE_CHECKING:
    import keras


def define_flags() -> None:
    """Defines the flags of the demo."""
    flags.DEFINE_string("workdir", "runs/demo", "Run directory: new, empty, or of the same run.")


def main(argv: list[str]) -> None:
    """Trains, exports and predicts."""
    import tensorflow as tf

    del argv
    workdir = pathlib.Path(flags.FLAGS.workdir).expanduser()
    recipe = keras_resnet.get_recipe("digits")
    data = load(recipe)
    model = build(data, recipe)
    print(f"Training {model.name} on {len(data.train)} digits; run directory: {workdir}")
    print(keras_resnet.train(model, data, recipe, workdir))

    exported = f"{workdir}/saved_model"
    model.save(exported)
    print(f"Five predictions with the SavedModel {exported} and plain TensorFlow:")
    loaded = tf.saved_model.load(exported)
    chosen = np.linspace(0, len(data.test) - 1, 5).astype(int)
    probabilities = loaded.serve(tf.constant(data.test.images[chosen], tf.float32)).numpy()
    for index, row in zip(chosen, probabilities, strict=True):
        predicted, truth = data.class_names[row.argmax()], data.class_names[data.test.labels[index]]
        print(f"  test image {index:3}: predicted {predicted:5} ({row.max():6.2%}), truth {truth}")


def load(recipe: keras_resnet.Recipe) -> "keras_resnet.Data":
    """Loads the digits: grayscale images (8, 8, 1) in 0 to 255, 360 of them for testing."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = np.uint8(np.round(digits.images[..., None] * (255 / 16)))
    x_train, x_test, y_train, y_test = train_test_split(
        images, digits.target, test_size=0.2, random_state=recipe.seed, stratify=digits.target
    )
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    return keras_resnet.load_data(((x_train, y_train), (x_test, y_test)), recipe, class_names=names)


def build(data: "keras_resnet.Data", recipe: keras_resnet.Recipe) -> "keras.Model":
    """Builds the paper's CIFAR net of 6n + 2 layers with n = 1, for 8x8 images."""
    import keras

    keras.utils.set_random_seed(recipe.seed)
    return keras_resnet.create_model(
        "resnet20_cifar",
        depths=(1, 1, 1),
        input_shape=data.image_shape,
        classes=len(data.class_names),
        mean=data.mean_image(),
        std=1,
        name="resnet8_digits",
    )


if __name__ == "__main__":
    summary = "Train a small ResNet on handwritten digits, export it, and predict with the export."
    app.run(Command("__main__", summary), sys.argv)
