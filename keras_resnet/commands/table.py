"""COMMANDS: one row per command of `keras-resnet`."""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Command:
    """A command.

    Its module has `define_flags()` and `main(argv)`, which returns the exit code or None for 0. It may have
    `complete_flags()`, which sets the defaults that depend on other flags, and `check_flags()`, which refuses flags;
    and `needs_tensorflow(argv)`, where that depends on the arguments.
    `define_flags` and `complete_flags` may not import Keras and TensorFlow, because they also run for `--help`.

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


@dataclasses.dataclass(frozen=True)
class CommandGroup:
    """Commands that share their first word, as in `keras-resnet analyze gradients`.

    Attributes:
        summary: what they do, in one line.
        kind: what their second word names, in capitals.
        commands: by that word.
    """

    summary: str
    kind: str
    commands: Mapping[str, Command]


_ANALYZE = "keras_resnet.commands.analyze"
SUBJECTS = {
    "degradation": Command(
        f"{_ANALYZE}.degradation", "Train plain and residual networks of several depths, and compare their errors."
    ),
    "shortcuts": Command(f"{_ANALYZE}.shortcuts", "Train networks with shortcuts A, B, C and none, and compare them."),
    "construction": Command(
        f"{_ANALYZE}.construction", "Build a deeper network that equals a trained one, and train it on.", "RUN"
    ),
    "gradients": Command(
        f"{_ANALYZE}.gradients",
        "Measure the gradients of blocks and weights, and what shortcuts hand on.",
        "MODEL...",
    ),
    "shattering": Command(
        f"{_ANALYZE}.shattering", "Measure how gradients of nearby inputs and weights lose correlation.", "MODEL..."
    ),
    "responses": Command(
        f"{_ANALYZE}.responses", "Measure the standard deviation of each 3x3 layer's responses.", "MODEL..."
    ),
    "lesions": Command(f"{_ANALYZE}.lesions", "Remove, swap and shuffle blocks, and see the accuracy.", "RUN..."),
    "surface": Command(f"{_ANALYZE}.surface", "Draw the loss around the weights of a model.", "RUN..."),
    "maps": Command(f"{_ANALYZE}.maps", "Draw where a model looks: Grad-CAM and occlusion.", "RUN IMAGE..."),
    "features": Command(f"{_ANALYZE}.features", "Draw the first layer's filters and the feature maps.", "RUN IMAGE"),
    "mistakes": Command(f"{_ANALYZE}.mistakes", "Draw the confusion matrix and the most confident mistakes.", "RUN"),
    "calibration": Command(
        f"{_ANALYZE}.calibration", "Compare probabilities with accuracies, and correct them.", "RUN"
    ),
}
COMMANDS = {
    "train": Command("keras_resnet.commands.train", "Train on CIFAR-10, ImageNet, another TFDS data set, or photos."),
    "finetune": Command("keras_resnet.commands.finetune", "Fine-tune published weights on photos.", "PHOTOS"),
    "evaluate": Command("keras_resnet.commands.evaluate", "Measure the accuracy of a model on a data set."),
    "predict": Command("keras_resnet.commands.predict", "Print the most probable classes of images.", "RUN IMAGE..."),
    "export": Command("keras_resnet.commands.export", "Export a model for another runtime.", "RUN PATH"),
    "compare": Command("keras_resnet.commands.compare", "Compare runs on one page.", "RUN RUN..."),
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
COMMAND_GROUPS = {"analyze": CommandGroup("Measure and draw what a network does, and why.", "SUBJECT", SUBJECTS)}
