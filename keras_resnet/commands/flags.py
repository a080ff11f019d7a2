"""Flags that several commands share, and the objects they select: recipe, data source, strategy."""

import dataclasses
import pathlib
import sys
from collections.abc import Callable, Iterable
from typing import Any

import keras
import tensorflow as tf
from absl import flags

import keras_resnet
from keras_resnet.data.folders import SUFFIXES
from keras_resnet.data.records import MANIFEST
from keras_resnet.distributed.rendezvous import TIMEOUT
from keras_resnet.distributed.strategies import STRATEGIES, auto, multi_worker
from keras_resnet.recipes import RECIPES, Recipe, get_recipe, setting_fields, settings

DEFINE: dict[Any, Callable] = {
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    bool: flags.DEFINE_bool,
    str: flags.DEFINE_string,
    tuple[float, ...]: flags.DEFINE_list,
}
MAY_DIFFER = {"data_dir", "manual_dir", "download", "worker_timeout"}  # between workers
FLAGS = flags.FLAGS


def define_setting_flags(names: Iterable[str], default: str) -> None:
    """Defines a flag for each of these settings of a recipe; `override_settings` reads their values.

    Args:
        names: of the fields of `Recipe`, whose metadata give help text and choices.
        default: description of the values without the flags.
    """
    fields = {field.name: field for field in setting_fields()}
    for name in names:
        choices, text = fields[name].metadata["choices"], f"{fields[name].metadata['help']} [{default}]"
        if choices:
            flags.DEFINE_enum(name, None, choices, text)
        else:
            DEFINE[fields[name].type](name, None, text)


def override_settings(recipe: Recipe) -> Recipe:
    """The recipe with the settings that are given as flags.

    Raises:
        ValueError: a value is outside its range.
    """
    given: dict[str, Any] = {
        name: FLAGS[name].value for name in settings(recipe) if name in FLAGS and FLAGS[name].present
    }
    for name, value in given.items():
        if isinstance(value, list):
            given[name] = tuple(map(float, value))
    return dataclasses.replace(recipe, **given)


def define_recipe_flags(default: str) -> None:
    """Defines --recipe, and a flag for each setting of a recipe.

    Args:
        default: name of the recipe to use without --recipe.
    """
    flags.DEFINE_string("recipe", default, f"Training setup, one of: {', '.join(RECIPES)}.")
    define_setting_flags(settings(Recipe()), "the recipe's")


def recipe_from_flags() -> Recipe:
    """The recipe that the command line selects, with the settings that it overrides.

    Raises:
        ValueError: the recipe is unknown, or a value is outside its range.
    """
    return override_settings(get_recipe(FLAGS.recipe))


def define_unreadable_image_flags() -> None:
    """Defines --max_bad_images and --on_bad_image."""
    flags.DEFINE_integer(
        "max_bad_images",
        None,
        "Maximum number of unreadable images before stopping [1 in 1,000, at least 10].",
        lower_bound=0,
    )
    flags.DEFINE_enum("on_bad_image", "skip", ["skip", "error"], "How to handle unreadable images.")


def unreadable_image_options() -> dict[str, Any]:
    """The values of --max_bad_images and --on_bad_image, as keyword arguments."""
    return {name: FLAGS[name].value for name in ("max_bad_images", "on_bad_image")}


def define_data_flags(default: str) -> None:
    """Defines --data_dir and --data; `find_source` reads their values.

    Args:
        default: TFDS data set to use without --data.
    """
    flags.DEFINE_string("data_dir", None, "Folder of photos, record set, or folder of TFDS data sets.")
    flags.DEFINE_string("data", default, "Name of the TFDS data set, if data_dir is a folder of TFDS data sets.")


def find_source(data_dir: str | None, name: str) -> tuple[str | pathlib.Path, pathlib.Path | None]:
    """The arguments (source, data_dir) of `load_data`.

    Args:
        data_dir: a folder of photos or a record set, which is the source itself; or a folder of TFDS data sets; or None
            for TFDS's default folder.
        name: of the TFDS data set.

    Example:
        >>> from keras_resnet.commands.flags import find_source
        >>> find_source(None, "cifar10")
        ('cifar10', None)
    """
    if data_dir is None:
        return name, None
    folder = pathlib.Path(data_dir).expanduser()
    is_split_or_record_set = any((folder / entry).exists() for entry in ("train", MANIFEST))
    if is_split_or_record_set or any(path.suffix.lower() in SUFFIXES for path in folder.glob("*/*")):
        return folder, None
    return name, folder


def define_training_flags(default_model: str) -> None:
    """Defines --model, --workdir, --strategy, --worker_timeout, --checkpoint_every and --dry_run.

    Args:
        default_model: variant to train without --model.
    """
    flags.DEFINE_string("model", default_model, "Variant to train; scripts/list_models.py lists all.")
    flags.DEFINE_string(
        "workdir", None, "Run directory: new, empty, or of the same run. Several workers need a shared folder."
    )
    flags.DEFINE_enum(
        "strategy",
        "auto",
        list(STRATEGIES),
        "Devices to train on. auto: the workers in TF_CONFIG, else all GPUs, else the CPU.",
    )
    flags.DEFINE_float(
        "worker_timeout", TIMEOUT / 60, "Minutes to wait for the other workers in TF_CONFIG.", lower_bound=0
    )
    flags.DEFINE_string(
        "checkpoint_every",
        "auto",
        "Steps ('500') or minutes ('10min') between checkpoints. auto: spend about 1 % of the time on checkpoints.",
    )
    flags.DEFINE_bool(
        "dry_run",
        False,
        "Run two steps, print parameters, GFLOPs, memory, images/s and the estimated training time; write nothing.",
    )


def strategy_from_flags() -> tf.distribute.Strategy:
    """The strategy that the command line selects. Call it before anything else that uses TensorFlow.

    Raises:
        ValueError: --workdir is missing, the devices of the strategy are not available, or workers have other flags.
        OSError: this worker's port is in use, or another worker did not start in time or has failed.
    """
    if FLAGS.workdir is None and not FLAGS.dry_run:
        raise ValueError("Give a --workdir, the directory to write the run's files to (or --dry_run).")
    choose = STRATEGIES[FLAGS.strategy]
    if choose in (auto, multi_worker):
        return choose(_flags_of_all_workers(), 60 * FLAGS.worker_timeout)
    return choose()


def _flags_of_all_workers() -> dict[str, str]:
    """The command's flags that must be the same on all workers, with their values."""
    names = {flag.name for flag in FLAGS.get_key_flags_for_module(sys.argv[0])} - MAY_DIFFER
    return {f"--{name}": str(FLAGS[name].value) for name in names}


def train_from_flags(
    model: str | keras.Model,
    data: keras_resnet.Data,
    recipe: Recipe,
    strategy: tf.distribute.Strategy,
    **options: Any,
) -> None:
    """Trains, or does a dry run with --dry_run, and prints the result.

    Args:
        model: a variant's name or a model.
        data: from `keras_resnet.load_data`.
        recipe: from `recipe_from_flags`.
        strategy: from `strategy_from_flags`.
        options: other arguments of `keras_resnet.train`.
    """
    if FLAGS.dry_run:
        print(keras_resnet.dry_run(model, data, recipe, strategy=strategy))
        return
    options = dict(strategy=strategy, checkpoint_every=FLAGS.checkpoint_every, **options)
    print(keras_resnet.train(model, data, recipe, FLAGS.workdir, **options))
