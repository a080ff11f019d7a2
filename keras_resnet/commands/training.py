"""What the commands that train share: their flags, the strategy, and the training itself."""

import pathlib
import sys
from typing import TYPE_CHECKING, Any

from absl import flags

import keras_resnet
from keras_resnet.choices import STRATEGIES, WORKER_TIMEOUT
from keras_resnet.commands.flags import FLAGS, group, recipe_from_flags, refuse
from keras_resnet.errors import check_name
from keras_resnet.recipes import Recipe
from keras_resnet.variants import VARIANTS

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

WEIGHTS = "Weight file, name of published weights, or hf://owner/name[@revision][/file]"  # for help texts
MAY_DIFFER = {"data_dir", "manual_dir", "download", "worker_timeout"}  # between workers


def define_training_flags(model: str, weights: str | None = None) -> None:
    """Defines the flags that are neither of the recipe nor of the data: model, teacher, workdir, devices.

    Args:
        model: variant to train without --model.
        weights: what to start from without --weights.
    """
    with group("run"):
        flags.DEFINE_string(
            "workdir", None, "Run directory: new, empty, or of the same run. Several workers need a shared folder."
        )
        flags.DEFINE_string(
            "checkpoint_every",
            "auto",
            "Steps ('500') or minutes ('10min') between checkpoints. auto: spend about 1 % of the time on checkpoints.",
        )
        flags.DEFINE_bool(
            "extend", False, "Train the run in workdir for more epochs than before; no other setting may differ."
        )
        flags.DEFINE_bool(
            "dry_run",
            False,
            "Run two steps, print parameters, GFLOPs, memory, images/s and the estimated training time; write nothing.",
        )
    with group("model"):
        flags.DEFINE_string("model", model, "Variant to train; `keras-resnet list` shows all.")
        flags.DEFINE_string("weights", weights, f"{WEIGHTS}, to start from; empty for random weights.")
        flags.DEFINE_string(
            "teacher", None, "Run directory, .keras file or id of weights to learn from, with --distillation_weight."
        )
    with group("devices"):
        flags.DEFINE_enum(
            "strategy",
            "auto",
            STRATEGIES,
            "Devices to train on. auto: the workers in TF_CONFIG, else all GPUs, else the CPU.",
        )
        flags.DEFINE_float(
            "worker_timeout", WORKER_TIMEOUT / 60, "Minutes to wait for the other workers in TF_CONFIG.", lower_bound=0
        )


def check_training_flags() -> None:
    """Checks the recipe, and the flags of `define_training_flags`, as far as that needs no TensorFlow.

    Raises:
        ValueError: a flag is missing, unknown or out of range.
    """
    recipe = recipe_from_flags()
    weight = recipe.distillation_weight
    check_name("model", FLAGS.model, VARIANTS)
    refuse(
        [
            (not FLAGS.workdir and not FLAGS.dry_run, "Give a --workdir for the files of the run, or --dry_run."),
            (
                recipe.whitened_stem and FLAGS.weights,
                "--whitened_stem is for random weights; leave it out, or --weights.",
            ),
            (weight and not FLAGS.teacher, "--distillation_weight needs a --teacher."),
            (FLAGS.teacher and not weight, "--teacher needs a --distillation_weight above 0."),
            (
                FLAGS.teacher and not _is_model(FLAGS.teacher),
                f"--teacher: {FLAGS.teacher} is no run directory, file, or id of weights.",
            ),
        ]
    )


def _is_model(name: str) -> bool:
    """Whether a name is that of a file or folder, or an id of weights."""
    if pathlib.Path(name).expanduser().exists():
        return True
    from keras_resnet.weights.pretrained import variant_of  # imports Keras

    return variant_of(name) is not None


def strategy_from_flags() -> "tf.distribute.Strategy":
    """The strategy that the command line selects. Call it before anything else that uses TensorFlow.

    Raises:
        ValueError: the weights are unknown, --checkpoint_every is invalid, devices of the strategy are missing, or
            workers have other flags.
        OSError: the file of weights does not exist, this worker's port is in use, or another worker did not start in
            time or has failed.
    """
    from keras_resnet.distributed import strategies
    from keras_resnet.training.checkpoints import CheckpointInterval

    CheckpointInterval.parse(FLAGS.checkpoint_every)
    check_weights(FLAGS.model, FLAGS.weights)
    choose = strategies.STRATEGIES[FLAGS.strategy]
    if choose in (strategies.auto, strategies.multi_worker):
        return choose(_flags_of_all_workers(), 60 * FLAGS.worker_timeout)
    return choose()


def _flags_of_all_workers() -> dict[str, str]:
    """The command's flags that must be the same on all workers, with their values."""
    names = {flag.name for flag in FLAGS.get_key_flags_for_module(sys.argv[0])} - MAY_DIFFER
    return {f"--{name}": str(FLAGS[name].value) for name in names}


def check_weights(model: str, weights: str | None) -> None:
    """Checks that the weights exist, before data are read for them; those at an address are downloaded.

    Raises:
        ValueError: the variant has no published weights of that name, the address is malformed or ambiguous, or the
            path is that of a folder.
        FileNotFoundError: there is no such file.
        OSError: the file at an address cannot be downloaded.
    """
    from keras_resnet.weights import fetch_from_hub, is_hub_address, is_published
    from keras_resnet.weights.formats import existing_file

    if not weights:
        return
    if is_published(weights):
        keras_resnet.find_weights(model, weights)
    elif is_hub_address(weights):
        fetch_from_hub(weights)
    else:
        existing_file(weights)


def model_from_flags(
    data: "keras_resnet.Data", recipe: Recipe, strategy: "tf.distribute.Strategy"
) -> "str | keras.Model":
    """The variant's name, or with --weights the built model."""
    from keras_resnet.training.building import build_model

    if not FLAGS.weights:
        return FLAGS.model
    with strategy.scope():
        return build_model(FLAGS.model, data, recipe, weights=FLAGS.weights)


def train_from_flags(
    model: "str | keras.Model",
    data: "keras_resnet.Data",
    recipe: Recipe,
    strategy: "tf.distribute.Strategy",
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
        print(keras_resnet.dry_run(model, data, recipe, teacher=FLAGS.teacher or None, strategy=strategy))
        return
    options |= dict(teacher=FLAGS.teacher or None, checkpoint_every=FLAGS.checkpoint_every, extend=FLAGS.extend)
    print(keras_resnet.train(model, data, recipe, FLAGS.workdir, strategy=strategy, **options))
