"""Trains a ResNet on CIFAR-10."""

from absl import flags

import keras_resnet
from keras_resnet.commands.flags import (
    FLAGS,
    define_recipe_flags,
    define_training_flags,
    recipe_from_flags,
    strategy_from_flags,
    train_from_flags,
)


def define_flags() -> None:
    """Defines the flags of the command."""
    define_recipe_flags(default="cifar_quick")
    define_training_flags(default_model="resnet20_cifar")
    flags.DEFINE_string("data_dir", None, "Folder of prepared TFDS data sets [~/tensorflow_datasets].")
    flags.DEFINE_bool("download", False, "Let TFDS download CIFAR-10 if it is not in data_dir.")


def main(argv: list[str]) -> None:
    """Trains, and prints the test accuracy."""
    del argv
    strategy = strategy_from_flags()
    recipe = recipe_from_flags()
    data = keras_resnet.load_data("cifar10", recipe, data_dir=FLAGS.data_dir, download=FLAGS.download)
    train_from_flags(FLAGS.model, data, recipe, strategy)
