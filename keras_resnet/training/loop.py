"""`fit`: Keras's training loop with this package's callbacks, from a checkpoint to the end of the run."""

import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from keras_resnet.distributed.workers import Worker
from keras_resnet.errors import first_line
from keras_resnet.run_directory import Run
from keras_resnet.training.averages import MovingAverages
from keras_resnet.training.callbacks import RestoreMetrics, SaveCheckpoints
from keras_resnet.training.checkpoints import Checkpoint, CheckpointInterval, describe_latest_checkpoint
from keras_resnet.training.fine_tuning import Unfreezing
from keras_resnet.training.guards import DivergenceGuard, ValidationGuard
from keras_resnet.training.log import CSVLog, EpochTensorBoard, ProgressLines
from keras_resnet.training.optimizers import has_schedule
from keras_resnet.training.reports import WriteReport
from keras_resnet.training.schedules import LearningRate, needs_warmup
from keras_resnet.training.throughput import BarUnits, DataTime, Throughput
from keras_resnet.training.training_input import TrainingInput

WORKER_LOST = (  # the errors of a step over several workers when one of them has ended
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
)


class Segment(NamedTuple):
    """One call of Keras's `fit`: whole epochs, or a part of one.

    Attributes:
        epoch: the first epoch, from 0.
        skipped: steps of it that were made before.
        end: the epoch before which to stop.
        steps: of each epoch; all calls of `fit` but those for a part of an epoch have the same.
    """

    epoch: int
    skipped: int
    end: int
    steps: int


def segments(steps_done: int, total_steps: int, steps_per_epoch: int) -> Iterator[Segment]:
    """The calls of `fit` to the end of a run: the rest of an epoch, whole epochs, and a last one that is cut short.

    Args:
        steps_done: steps of the run that are complete.
        total_steps: steps of the whole run.
        steps_per_epoch: steps of a full epoch.

    Example:
        >>> from keras_resnet.training.loop import segments
        >>> for segment in segments(steps_done=3, total_steps=25, steps_per_epoch=10):
        ...     print(segment)
        Segment(epoch=0, skipped=3, end=1, steps=7)
        Segment(epoch=1, skipped=0, end=2, steps=10)
        Segment(epoch=2, skipped=0, end=3, steps=5)
    """
    while steps_done < total_steps:
        epoch, skipped = divmod(steps_done, steps_per_epoch)
        whole = 0 if skipped else (total_steps - steps_done) // steps_per_epoch
        steps = steps_per_epoch if whole else min(steps_per_epoch - skipped, total_steps - steps_done)
        yield Segment(epoch, skipped, epoch + max(1, whole), steps)
        steps_done += max(1, whole) * steps


def fit(
    model: keras.Model,
    training_input: TrainingInput,
    run: Run,
    checkpoint: Checkpoint | None,
    interval: CheckpointInterval,
    own_callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: str | int = "auto",
    averages: MovingAverages | None = None,
) -> None:
    """Trains a compiled model to the end of the run.

    Args:
        model: the model, with the variables of the checkpoint.
        training_input: the data and the recipe.
        run: the run directory.
        checkpoint: the checkpoint to resume from, or None.
        interval: how often to save checkpoints.
        own_callbacks: the user's callbacks.
        verbose: as in `keras.Model.fit`; "auto" is a progress bar on a terminal, and elsewhere a line per epoch and a
            line a minute within an epoch.
        averages: of the weights, to update after each step.

    Raises:
        ValueError: too many images are unreadable, or all validation images.
        FloatingPointError: training has diverged.
        MemoryError: a batch does not fit into memory.
        ConnectionError: another worker has ended.
    """
    done = training_input.steps_before(checkpoint)
    if done >= training_input.total_steps:
        return
    is_chief, lines = training_input.worker.is_chief, verbose == "auto" and not sys.stdout.isatty()
    if verbose == "auto":
        verbose = 2 if lines else 1
    data_time = DataTime()
    callbacks, saver = _callbacks(
        model, training_input, run, checkpoint, interval, data_time, own_callbacks, lines and is_chief, averages
    )
    try:
        with saver.handle_preemption(), warnings.catch_warnings():
            # Validation has fewer batches than steps if a batch has no readable image.
            warnings.filterwarnings("ignore", "Your input ran out of data")
            for segment in segments(done, training_input.total_steps, training_input.steps_per_epoch):
                model.fit(
                    training_input.training(segment.epoch, segment.skipped, data_time),
                    steps_per_epoch=segment.steps,
                    initial_epoch=segment.epoch,
                    epochs=segment.end,
                    callbacks=callbacks,
                    shuffle=False,  # the batches are shuffled already
                    verbose=verbose if is_chief else 0,
                    **training_input.validation(),
                )
                if model.stop_training:  # by an early stop, or by one of the user's callbacks
                    break
    except tf.errors.OpError as error:
        raise _explained(error, training_input, run) from None


def _callbacks(model, training_input, run, checkpoint, interval, data_time, own_callbacks, lines, averages):
    """(all callbacks in the order in which Keras calls them, the one of them that saves checkpoints)."""
    data, recipe, worker = training_input.data, training_input.recipe, training_input.worker
    steps, skipped = (training_input.steps_per_epoch, training_input.total_steps), checkpoint.step if checkpoint else 0
    monitor = "val_accuracy" if data.validation else "accuracy"
    rate = LearningRate(recipe, *steps, needs_warmup(model, recipe), skipped)
    plateau = keras.callbacks.ReduceLROnPlateau(monitor, factor=0.1, patience=recipe.plateau_patience, min_delta=0)
    stop = keras.callbacks.EarlyStopping(monitor, patience=recipe.early_stopping_patience, mode="max")
    saver = SaveCheckpoints(run, monitor, interval, *steps, checkpoint, (rate, plateau, stop), worker, averages)
    callbacks = [
        RestoreMetrics(checkpoint),  # first: the others read the metrics
        DivergenceGuard(len(data.class_names), run, skipped),
        Throughput(len(data.train), recipe.batch_size, data_time),
    ]
    if data.validation:
        callbacks.append(ValidationGuard(data))
    if not has_schedule(model.optimizer):
        callbacks.append(rate)
    if recipe.unfreeze_milestones:
        callbacks.append(Unfreezing(model, recipe, *steps, skipped))
    if recipe.schedule == "plateau":
        callbacks.append(plateau)
    if recipe.early_stopping_patience:
        callbacks.append(stop)
    if lines:
        callbacks.append(ProgressLines(*steps, skipped))
    if worker.is_chief:
        callbacks += [CSVLog(run), WriteReport(run, data), EpochTensorBoard(run)]  # the report shows the log
    callbacks += own_callbacks
    if averages:
        callbacks.append(averages)
    callbacks += [saver, BarUnits()]  # the saver after all others whose state it saves
    return callbacks, saver


def _explained(error, training_input, run):
    """TensorFlow's error as one that says what to do; an unknown one as it is."""
    if training_input.unreadable.failure:
        return ValueError(training_input.unreadable.failure)  # TensorFlow has wrapped it
    if isinstance(error, tf.errors.ResourceExhaustedError):
        return training_input.out_of_memory(error)
    return lost_worker(error, training_input.worker, run)


def lost_worker(error: tf.errors.OpError, worker: Worker, run: Run) -> Exception:
    """TensorFlow's error while several workers wait for each other, as one that says what to do; others as they are."""
    if not (worker.several and isinstance(error, WORKER_LOST)):
        return error
    others = " or ".join(address for index, address in enumerate(worker.addresses) if index != worker.index)
    return ConnectionError(
        f"Worker {worker.index} ({worker.addresses[worker.index]}) has lost {others} ({first_line(error)}). Start "
        f"all workers again with the same commands. {describe_latest_checkpoint(run)}"
    )
