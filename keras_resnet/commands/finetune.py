"""Fine-tunes a model on a folder of photos."""

from absl import flags

import keras_resnet
from keras_resnet.commands.flags import (
    FLAGS,
    default_to_recipe,
    define_recipe_flags,
    define_unreadable_image_flags,
    group,
    recipe_from_flags,
    refuse,
    unreadable_image_options,
)
from keras_resnet.commands.training import (
    check_training_flags,
    define_training_flags,
    model_from_flags,
    strategy_from_flags,
    train_from_flags,
)


def define_flags() -> None:
    """Defines the flags of the command."""
    define_recipe_flags(default="finetune")
    define_training_flags(model="resnet50", weights="imagenet")
    define_unreadable_image_flags()
    with group("model"):
        flags.DEFINE_string("freeze", None, "Last part to freeze: stem, stage1, stage2, ... [nothing]")


def complete_flags() -> None:
    """Makes the values of the selected recipe the defaults of its flags."""
    default_to_recipe()


def check_flags() -> None:
    """Refuses flags that are out of range or contradict each other."""
    refuse([(FLAGS.freeze and not FLAGS.weights, "--freeze would keep random weights; also give --weights.")])
    check_training_flags()


def main(argv: list[str]) -> None:
    """Fine-tunes, and prints the accuracy."""
    strategy = strategy_from_flags()
    data = keras_resnet.load_data(f"{argv[1]}/", recipe_from_flags())
    recipe = recipe_from_flags(len(data.train))
    model = model_from_flags(data, recipe, strategy)
    if FLAGS.freeze:
        keras_resnet.freeze(model, FLAGS.freeze)
    train_from_flags(model, data, recipe, strategy, **unreadable_image_options())
