"""What the scripts share: flags from a recipe's fields, and errors as one line."""

import dataclasses
import inspect
import os
import pathlib
import re
import sys

from absl import app, flags, logging

# Before TensorFlow starts: its notes about oneDNN and instruction sets would bury the script's own lines.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras_resnet
from keras_resnet.data.folders import SUFFIXES
from keras_resnet.distributed.strategies import STRATEGIES
from keras_resnet.recipes import RECIPES, Recipe, get_recipe, settings

DEFINE = {int: flags.DEFINE_integer, float: flags.DEFINE_float, bool: flags.DEFINE_bool, str: flags.DEFINE_string}
EXPLAINED = (ValueError, OSError, ImportError, FloatingPointError, MemoryError)


def define_recipe_flags(default: str) -> None:
    """--recipe, and a flag for each field of it, which replaces the recipe's value where given."""
    script = sys.argv[0]  # as whose flags --help lists them
    flags.DEFINE_string("recipe", default, f"Training setup, one of: {', '.join(RECIPES)}.", module_name=script)
    comments = dict(re.findall(r"^    (\w+): .*?  # (.*)$", inspect.getsource(Recipe), re.MULTILINE))
    kinds = {field.name: field.type for field in dataclasses.fields(Recipe)}
    for name in settings(Recipe()):
        define = DEFINE.get(kinds[name], flags.DEFINE_list)
        define(name, None, f"{comments[name]} [the recipe's]", module_name=script)


def recipe_from_flags() -> Recipe:
    """The recipe that the command line asks for."""
    given = {name: flags.FLAGS[name].value for name in settings(Recipe()) if flags.FLAGS[name].present}
    given = {name: tuple(map(float, value)) if isinstance(value, list) else value for name, value in given.items()}
    return dataclasses.replace(get_recipe(flags.FLAGS.recipe), **given)


def define_bad_image_flags() -> None:
    """--max_bad_images and --on_bad_image."""
    script = sys.argv[0]
    flags.DEFINE_integer(
        "max_bad_images",
        None,
        "More images than these that cannot be read stop it [1 in 1,000, at least 10].",
        lower_bound=0,
        module_name=script,
    )
    flags.DEFINE_enum(
        "on_bad_image", "skip", ["skip", "error"], "What an image that cannot be read does.", module_name=script
    )


def bad_image_options() -> dict:
    """What these two flags say, as arguments."""
    return {name: flags.FLAGS[name].value for name in ("max_bad_images", "on_bad_image")}


def define_training_flags() -> None:
    """--workdir, --strategy, --checkpoint_every and --dry_run: how and where a recipe is run."""
    script = sys.argv[0]
    flags.DEFINE_string(
        "workdir", None, "Run directory: new, empty, or of the same run; of several hosts, shared.", module_name=script
    )
    flags.DEFINE_enum(
        "strategy",
        "auto",
        list(STRATEGIES),
        "Devices to train on. auto: the hosts of TF_CONFIG, else all GPUs, else the CPU.",
        module_name=script,
    )
    flags.DEFINE_string(
        "checkpoint_every",
        "auto",
        "Steps ('500') or minutes ('10min') between checkpoints; auto: as often as costs 1 % of the time.",
        module_name=script,
    )
    flags.DEFINE_bool(
        "dry_run",
        False,
        "Run two steps and print parameters, GFLOPs, memory, images/s and the time to the end; write nothing.",
        module_name=script,
    )


def strategy():
    """The strategy that the command line asks for; before TensorFlow does anything else."""
    if flags.FLAGS.workdir is None and not flags.FLAGS.dry_run:
        raise ValueError("Give a --workdir, the directory that the run shall leave its files in (or --dry_run).")
    return STRATEGIES[flags.FLAGS.strategy]()


def train(model, data, recipe, strategy, **options) -> None:
    """Trains, or rehearses, as the command line asks for, and prints what came out."""
    if flags.FLAGS.dry_run:
        print(keras_resnet.dry_run(model, data, recipe, strategy=strategy))
        return
    every = flags.FLAGS.checkpoint_every
    options = dict(strategy=strategy, checkpoint_every=every, **options)
    print(keras_resnet.train(model, data, recipe, flags.FLAGS.workdir, **options))


def find_source(data_dir: str | None, name: str):
    """(source, data_dir) for `load_data`: what `data_dir` itself holds, or the data set `name` of a TFDS folder."""
    if data_dir is None:
        return name, None
    folder = pathlib.Path(data_dir).expanduser()
    by_itself = any((folder / part).exists() for part in ("train", "manifest.json"))
    if by_itself or any(path.suffix.lower() in SUFFIXES for path in folder.glob("*/*")):
        return folder, None
    return name, folder


def run(main) -> None:
    """Runs `main(argv)`; what the package can explain ends in one line on stderr and exit code 1."""

    def guarded(argv):
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)  # TFDS tells each file it opens
        try:
            return main(argv)
        except EXPLAINED as error:
            sys.exit(f"error: {error}")
        except KeyboardInterrupt:
            sys.exit("interrupted; what was complete is kept")

    app.run(guarded)
