"""`train`: from a model, data and a recipe to a run directory."""

import contextlib
import json
import logging
import os
import zlib
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_resnet.data.loading import Data, load_data
from keras_resnet.data.unreadable import UnreadableImages, limit_of_unreadable
from keras_resnet.distributed.workers import Worker
from keras_resnet.evaluation.checks import check_fits
from keras_resnet.evaluation.classification import Result, count_correct
from keras_resnet.evaluation.split_predictions import Predictions, predictions
from keras_resnet.files import write_atomically
from keras_resnet.interrupts import ctrl_c_arrives
from keras_resnet.models.model import Model
from keras_resnet.recipes import Recipe, get_recipe
from keras_resnet.run_directory import Run
from keras_resnet.training.arguments import (
    check_accumulation,
    check_augmentation,
    check_colors,
    check_early_stopping,
    check_model,
    check_options,
    check_outputs,
    check_strategy,
    check_workdir_name,
)
from keras_resnet.training.averages import MovingAverages
from keras_resnet.training.building import compiled_model, default_strategy
from keras_resnet.training.checkpoints import (
    Checkpoint,
    CheckpointInterval,
    latest_checkpoint,
    restore_variables,
    variables_of,
)
from keras_resnet.training.description import describe_run
from keras_resnet.training.distillation import load_teacher
from keras_resnet.training.fine_tuning import fine_tuning
from keras_resnet.training.image_sizes import check_sizes
from keras_resnet.training.log import check_log, log_start
from keras_resnet.training.loop import fit, lost_worker
from keras_resnet.training.network_settings import warn_of_network_settings
from keras_resnet.training.optimizers import base_rate_restored, own_optimizer, recipe_for
from keras_resnet.training.reports import write_report_or_warn
from keras_resnet.training.training_input import TrainingInput
from keras_resnet.training.workdir import (
    Description,
    begin,
    check_workdir,
    extend_epochs,
    identity,
    locked,
    set_results_aside,
    warn_of_other_weights,
)

logger = logging.getLogger(__name__)

HOW_WORKERS_AGREE = (
    "give all workers the same flags, the same data, and the same workdir in a shared folder, so that they find the "
    "same checkpoints."
)


@ctrl_c_arrives()
def train(
    model: str | keras.Model,
    data: Any,
    recipe: str | Recipe,
    workdir: str | os.PathLike,
    *,
    optimizer: str | keras.optimizers.Optimizer | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    augmentation: keras.layers.Layer | None = None,
    teacher: keras.Model | str | os.PathLike | None = None,
    strategy: tf.distribute.Strategy | None = None,
    max_bad_images: int | None = None,
    on_bad_image: str = "skip",
    checkpoint_every: str | int = "auto",
    extend: bool = False,
    verbose: str | int = "auto",
) -> Result:
    """Trains a model on `data` and writes a run directory.

    If a run is interrupted, call `train` again with the same arguments: it resumes at the step of the last checkpoint
    and ends with the same weights as an uninterrupted run, to the bit on the same kind of machine. On preemption
    (SIGTERM), it saves a checkpoint after the current step and exits. While it trains, the directory is locked.

    Args:
        model: the name of a variant, which is built for the data, in the recipe's precision and under the strategy;
            or a Keras model, which is trained as it is, with the recipe's loss.
        data: from `keras_resnet.load_data`, with the same recipe; or what `load_data` takes.
        recipe: a `Recipe` or the name of one.
        workdir: the run directory: new, empty, or of the same run.
        optimizer: a Keras optimizer, or the name of one, of which `train` uses a copy. Default: the one that the model
            was compiled with, else the recipe's. An own optimizer replaces the recipe's with all its settings, such as
            `momentum` and `clip_norm`; only the `weight_decay` of a recipe with SGD is still a part of the loss. Its
            learning rate is the base rate of the recipe's schedule; if it is a `LearningRateSchedule`, the recipe must
            have the constant schedule.
        callbacks: Keras callbacks, called after those of this package and before a checkpoint is saved. Their state is
            not saved: a resumed run calls their `on_train_begin` again. If one stops training, the run is complete.
        augmentation: a Keras layer, of keras.layers or of keras-cv, applied to batches of training images, 0 to 255,
            besides the recipe's augmentation. Layers of keras.layers draw from the recipe's seed, others from their
            own.
        teacher: a trained model to learn from besides the labels (Hinton et al. 2015), the path of a run directory or
            `.keras` file, or an id from `list_weights()`. It sees the same augmented images, and stays as it is. The
            recipe must have a `distillation_weight`, and a model that is given must be a `keras_resnet.Model`.
        strategy: a `tf.distribute.Strategy`. Default: the strategy under which the model was built; for the name of a
            variant, MirroredStrategy over all GPUs (or over all logical CPUs, if there are several), and none for one
            device.
        max_bad_images: maximum number of unreadable images before stopping. Default: 1 in 1,000 training images, and
            at least 10. Skipped images are listed in the run's bad_images.tsv.
        on_bad_image: how to handle unreadable images: "skip", or "error" to stop at the first.
        checkpoint_every: "auto" (as often as takes 1 % of the time), a number of steps, or of minutes as "10min".
        extend: whether to train the run in `workdir` for more `epochs`, with the schedule of the longer run from its
            last checkpoint on. No other setting may differ.
        verbose: as in `keras.Model.fit`; "auto" is a progress bar on a terminal, and elsewhere a line per epoch and,
            within an epoch, a logged line per minute.

    Returns:
        The `Result` of the last step's weights on the test images; without test images on the validation images, and
        without those on the training images. If the recipe tests by another protocol than "center", result.json also
        has that of a single view, as "center". With the recipe's `ema_decay`, it also has that of the averaged weights,
        as "ema"; they are saved as ema.keras.

    Raises:
        FileExistsError: `workdir` contains another run, or other files.
        FileNotFoundError: `extend`, and `workdir` contains no run; or there is no such teacher.
        BlockingIOError: another process trains in `workdir`.
        OSError: `workdir` is not writable.
        ValueError: an argument is invalid; model, data and recipe do not fit together; or too many images are
            unreadable, or all validation images.
        FloatingPointError: the loss is NaN or infinite, or 100 times the loss of random guessing.
        MemoryError: a batch does not fit into memory.
        ConnectionError: another worker has ended.

    Example:
        >>> import numpy as np, keras_resnet
        >>> data = keras_resnet.load_data((np.random.randint(0, 256, (64, 32, 32, 3), "uint8"), np.arange(64) % 10))
        >>> recipe = keras_resnet.Recipe(epochs=1, batch_size=32)
        >>> result = keras_resnet.train("resnet20_cifar", data, recipe, "run_of_noise", verbose=0)
        >>> result.images
        64
    """
    check_workdir_name(workdir)
    check_options(callbacks, extend, verbose)
    interval = CheckpointInterval.parse(checkpoint_every)
    data, recipe, optimizer = checked_arguments(model, data, recipe, optimizer, augmentation, strategy)
    limit = limit_of_unreadable(len(data.train), max_bad_images, on_bad_image)
    loaded_teacher = load_teacher(teacher, model, data, recipe)
    run = Run(workdir)
    description = describe_run(model, data, recipe, augmentation, optimizer, loaded_teacher)
    check_workdir(run, description, extend)  # before the model is built
    strategy = strategy or default_strategy(model)
    # Variables of different shapes would end all workers in an error of TensorFlow's.
    agreed = json.dumps(identity(description), sort_keys=True)
    Worker(strategy).check_agreement((zlib.crc32(agreed.encode()),), HOW_WORKERS_AGREE)
    model, worker = compiled_model(model, data, recipe, strategy, optimizer, loaded_teacher)
    averages = MovingAverages(model, recipe.ema_decay) if recipe.ema_decay else None
    if isinstance(model, Model):
        model.view, model.class_names = data.view, data.class_names
    with (
        locked(run) if worker.is_chief else contextlib.nullcontext(),
        base_rate_restored(model, recipe),
        fine_tuning(model, recipe),
    ):
        checkpoint = begin_or_resume(run, description, data, variables_of(model, averages), worker, extend)
        unreadable = UnreadableImages(run.file(f"bad_images{worker.suffix}.tsv"), min(limit, len(data.train) - 1))
        training_input = TrainingInput(data, recipe, augmentation, unreadable, worker)
        if worker.is_chief:
            log_start(model, training_input, run, checkpoint)
        fit(model, training_input, run, checkpoint, interval, callbacks, verbose, averages)
        try:
            return finish(model, training_input, run, averages)
        except tf.errors.OpError as error:
            raise lost_worker(error, worker, run) from None


def checked_arguments(
    model: str | keras.Model,
    data: Any,
    recipe: str | Recipe,
    optimizer: str | keras.optimizers.Optimizer | None,
    augmentation: keras.layers.Layer | None,
    strategy: tf.distribute.Strategy | None,
) -> tuple[Data, Recipe, keras.optimizers.Optimizer | None]:
    """Checks the arguments that `train` and `dry_run` share.

    Returns:
        The data, the recipe at the base rate of the user's own optimizer, and that optimizer or None.

    Raises:
        ValueError: an argument is invalid.
    """
    get_recipe(recipe)  # an unknown one is refused before data are read
    check_model(model)
    check_strategy(strategy, model)
    data = data if isinstance(data, Data) else load_data(data, recipe)
    recipe = get_recipe(recipe, len(data.train))
    check_augmentation(augmentation, data.image_shape)
    check_colors(recipe, data)
    if not isinstance(model, str):
        check_fits(model, data)
        warn_of_network_settings(model, recipe)
    check_sizes(model, data, recipe)
    check_outputs(model, recipe)
    check_early_stopping(recipe, data)
    check_accumulation(recipe, data)
    optimizer = own_optimizer(model, optimizer)
    return data, recipe_for(optimizer, recipe), optimizer


def begin_or_resume(
    run: Run, description: Description, data: Data, variables: Sequence[Any], worker: Worker, extend: bool
) -> Checkpoint | None:
    """Begins a run, or sets its variables to those of the checkpoint to resume from.

    The directory is checked once more, since another process may have used it before it was locked.

    Returns:
        The checkpoint; None for a run that begins.
    """
    started = check_workdir(run, description, extend)
    checkpoint = latest_checkpoint(run) if started else None
    if checkpoint:
        restore_variables(variables, checkpoint)
    position = (checkpoint.epoch, checkpoint.step) if checkpoint else (0, 0)
    worker.check_agreement((started, *position), HOW_WORKERS_AGREE)
    if not worker.is_chief:
        return checkpoint
    run.remove_scratch()
    if not started:
        begin(run, description, data.class_names)
    else:
        if not checkpoint:
            run.file("checkpoints").mkdir(exist_ok=True)
            set_results_aside(run)
        warn_of_other_weights(run, description)
        extend_epochs(run, description)
        check_log(run, checkpoint.epoch if checkpoint else 0)
    return checkpoint


def finish(
    model: keras.Model, training_input: TrainingInput, run: Run, averages: MovingAverages | None = None
) -> Result:
    """Evaluates the final weights, and their moving averages. The chief writes results, models and the report."""
    worker, protocol = training_input.worker, training_input.recipe.test_protocol
    predicted, result = _evaluate(model, training_input, protocol, "final weights")
    if worker.is_chief:
        write_atomically(run.file("final.keras"), model.save)
    content, results = {"epochs": training_input.recipe.epochs, **result.as_dict()}, [result]
    if protocol != "center":
        _, single = _evaluate(model, training_input, "center", "final weights")
        content["center"] = single.as_dict()
        results.append(single)
    if averages:
        with averages.applied():
            _, averaged = _evaluate(model, training_input, protocol, "averaged weights")
            if worker.is_chief:
                write_atomically(run.file("ema.keras"), model.save)
        content["ema"] = averaged.as_dict()
        results.append(averaged)
    if results[1:]:
        logger.info("Results: %s.", "; ".join(map(str, results)))
    if worker.is_chief:
        run.write_json("result.json", content)
        write_report_or_warn(run, training_input.data, predicted, results)
    # All workers stay until the chief has written everything: it fails when another worker ends.
    worker.check_agreement((0,), "they ended at different times.")
    return result


def _evaluate(
    model: keras.Model, training_input: TrainingInput, protocol: str, note: str
) -> tuple[Predictions, Result]:
    """Evaluates the weights that the model has; each worker its part of the images."""
    data, verbose = training_input.data, "auto" if training_input.worker.is_chief else 0
    predicted = predictions(model, data, protocol=protocol, verbose=verbose, worker=training_input.worker)
    return predicted, count_correct(predicted, data.class_names, note=note)
