"""Fine-tunes a model on a folder of photos."""

import keras
from absl import flags

import keras_resnet
from keras_resnet.commands.app import usage_error
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
    define_recipe_flags(default="finetune")
    define_training_flags(default_model="resnet50")
    flags.DEFINE_string("weights", "imagenet", "Weight file or name of published weights; empty for random weights.")
    flags.DEFINE_string("freeze", None, "Freeze the model up to and including this part: stem, stage1, ... [nothing]")


def main(argv: list[str]) -> None:
    """Fine-tunes, and prints the accuracy."""
    if len(argv) != 2:
        raise usage_error(argv, "PHOTOS --workdir=RUN [--model=...] [--weights=...]")
    strategy = strategy_from_flags()
    recipe = recipe_from_flags()
    data = keras_resnet.load_data(f"{argv[1]}/", recipe)
    keras.utils.set_random_seed(recipe.seed)
    with strategy.scope():
        model = keras_resnet.create_model(
            FLAGS.model, weights=FLAGS.weights or None, input_shape=data.image_shape, classes=len(data.class_names)
        )
        if FLAGS.freeze:
            keras_resnet.freeze(model, FLAGS.freeze)
    train_from_flags(model, data, recipe, strategy)
