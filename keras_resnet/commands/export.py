"""Exports a model for another runtime."""

from absl import flags

import keras_resnet
from keras_resnet.choices import PRECISIONS, SPLITS
from keras_resnet.commands.flags import FLAGS, data_for, define_model_data_flags, group, refuse
from keras_resnet.commands.quiet_start import quiet_stderr
from keras_resnet.recipes import Recipe


def define_flags() -> None:
    """Defines the flags of the command."""
    with group("run"):
        flags.DEFINE_enum("format", None, list(PRECISIONS), "Format of the exported model [by the suffix of PATH].")
        known = dict.fromkeys(precision for row in PRECISIONS.values() for precision in row)
        flags.DEFINE_enum("precision", "float32", list(known), "Precision of its arithmetic or weights.")
    with group("data"):
        flags.DEFINE_string("calibration", None, "Folder of photos, record set or run to calibrate int8 with.")
        flags.DEFINE_string("images", None, "Photos to compare both models on [--calibration, or generated photos].")
        flags.DEFINE_bool("evaluate", False, "Compare the accuracy of both models on the images of --data_dir.")
        flags.DEFINE_enum("split", None, SPLITS, "Images to evaluate on [the first of test, validation, train].")
    define_model_data_flags()


def check_flags() -> None:
    """Refuses flags that contradict each other."""
    for name in ("data_dir", "data", "split"):
        refuse([(FLAGS[name].present and not FLAGS.evaluate, f"--{name} needs --evaluate.")])
    for name in ("calibration", "images"):
        refuse([(FLAGS[name].value == "", f"--{name} is empty.")])


def main(argv: list[str]) -> None:
    """Exports the model; the log says what was written."""
    from keras_resnet.run_directory import recipe_of

    _, run, path = argv
    data = data_for(run, recipe_of(run) or Recipe()) if FLAGS.evaluate else None
    with quiet_stderr():  # LiteRT announces its parts
        keras_resnet.export(
            run,
            path,
            FLAGS.format,
            FLAGS.precision,
            calibration=FLAGS.calibration,
            images=FLAGS.images,
            data=data,
            split=FLAGS.split,
        )
