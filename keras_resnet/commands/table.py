"""COMMANDS: one row per command of `keras-resnet`."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Command:
    """A command.

    Its module has `define_flags()` and `main(argv)`, which returns the exit code or None for 0. It may have
    `complete_flags()`, which sets the defaults that depend on other flags, and `check_flags()`, which refuses flags;
    and `needs_tensorflow(argv)`, where that depends on the arguments.
    Only `main` may import Keras and TensorFlow, because the other functions also run for `--help`.

    Attributes:
        module: name of the module.
        summary: what the command does, in one line.
        arguments: names of the positional arguments: NAME, [NAME] if it may be missing, NAME... for one or more.
        needs_tensorflow: whether TensorFlow is imported before `main`, if the module does not say it.
    """

    module: str
    summary: str
    arguments: str = ""
    needs_tensorflow: bool = True


COMMANDS = {
    "train": Command("keras_resnet.commands.train", "Train on CIFAR-10, ImageNet, another TFDS data set, or photos."),
    "finetune": Command("keras_resnet.commands.finetune", "Fine-tune published weights on photos.", "PHOTOS"),
    "evaluate": Command("keras_resnet.commands.evaluate", "Measure the accuracy of a model on a data set."),
    "predict": Command("keras_resnet.commands.predict", "Print the most probable classes of images.", "RUN IMAGE..."),
    "export": Command("keras_resnet.commands.export", "Export a model for another runtime.", "RUN PATH"),
    "list": Command(
        "keras_resnet.commands.list_models",
        "List the variants, published weights, or recipes as a Markdown table.",
        "[PATTERN]",
    ),
    "prepare": Command("keras_resnet.commands.prepare", "Pack photos into a record set.", "PHOTOS RECORDS"),
    "serve": Command(
        "keras_resnet.commands.serve", "Serve exported models over HTTP.", "MODEL...", needs_tensorflow=False
    ),
    "launch": Command(
        "keras_resnet.commands.launch",
        "Run a command or script as several workers on this machine.",
        "COMMAND...",
        needs_tensorflow=False,
    ),
}
