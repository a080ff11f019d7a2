"""`fit`: Keras's training loop with this package's callbacks, from a checkpoint to the end of the run."""

import logging
import sys

import keras
import tensorflow as tf

from keras_resnet.errors import first_line
from keras_resnet.interrupts import ctrl_c_arrives
from keras_resnet.run_directory import Run
from keras_resnet.training.callbacks import CSVLog, RestoreMetrics, SaveCheckpoints
from keras_resnet.training.checkpoints import Checkpoint, CheckpointInterval, describe_latest_checkpoint
from keras_resnet.training.guards import DivergenceGuard
from keras_resnet.training.position import describe_position
from keras_resnet.training.schedules import LearningRate, needs_warmup
from keras_resnet.training.throughput import DataTime, Throughput
from keras_resnet.training.training_input import TrainingInput

WORKER_LOST = (  # the errors of a step over several workers when one of them has ended
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
)

logger = logging.getLogger(__name__)


def fit(
    model: keras.Model,
    training_input: TrainingInput,
    run: Run,
    checkpoint: Checkpoint | None,
    interval: CheckpointInterval,
    verbose: str | int,
) -> None:
    """Trains a compiled model to the end of the run.

    Args:
        model: the model, with the variables of the checkpoint.
        training_input: the data and the recipe.
        run: the run directory.
        checkpoint: the checkpoint to resume from, or None.
        interval: how often to save checkpoints.
        verbose: as in `keras.Model.fit`; "auto" is a progress bar on a terminal and a line per epoch elsewhere.

    Raises:
        ValueError: too many images are unreadable.
        FloatingPointError: training has diverged.
        MemoryError: a batch does not fit into memory.
        ConnectionError: another worker has ended.
    """
    epoch, step = (checkpoint.epoch, checkpoint.step) if checkpoint else (0, 0)
    is_chief = training_input.worker.is_chief
    if checkpoint and is_chief:
        position = describe_position(epoch, step)
        logger.info("Resuming %s %s of %d.", run.directory, position, training_input.epochs)
    if epoch >= training_input.epochs:
        return
    if verbose == "auto":
        verbose = 1 if sys.stdout.isatty() else 2
    data_time = DataTime()
    callbacks, saver = _callbacks(model, training_input, run, checkpoint, interval, data_time)

    def fit_epochs(first, skipped, end):
        """One call of Keras's `fit`: from a step of the epoch `first` to before the epoch `end`."""
        model.fit(
            training_input.training(first, skipped, data_time),
            steps_per_epoch=training_input.steps_per_epoch - skipped,
            initial_epoch=first,
            epochs=end,
            callbacks=callbacks,
            shuffle=False,  # the batches are shuffled already
            verbose=verbose if is_chief else 0,
            **training_input.validation(),
        )

    try:
        with saver.handle_preemption(), ctrl_c_arrives():
            if step:
                fit_epochs(epoch, step, epoch + 1)
                epoch += 1
            fit_epochs(epoch, 0, training_input.epochs)
    except tf.errors.OpError as error:
        raise _explained(error, training_input, run) from None


def _callbacks(model, training_input, run, checkpoint, interval, data_time):
    """(all callbacks in the order in which Keras calls them, the one of them that saves checkpoints)."""
    data, recipe, worker = training_input.data, training_input.recipe, training_input.worker
    steps_per_epoch, skipped = training_input.steps_per_epoch, checkpoint.step if checkpoint else 0
    monitor = "val_accuracy" if data.validation else "accuracy"
    rate = LearningRate(recipe, steps_per_epoch, training_input.total_steps, needs_warmup(model, recipe), skipped)
    plateau = keras.callbacks.ReduceLROnPlateau(monitor, factor=0.1, patience=recipe.plateau_patience, min_delta=0)
    saver = SaveCheckpoints(run, monitor, interval, steps_per_epoch, checkpoint, (rate, plateau), worker)
    callbacks = [
        RestoreMetrics(checkpoint),  # first: the others read the metrics
        DivergenceGuard(len(data.class_names), run, skipped),
        rate,
        Throughput(len(data.train), recipe.batch_size, data_time),
    ]
    if recipe.schedule == "plateau":
        callbacks.append(plateau)
    if worker.is_chief:
        callbacks += [CSVLog(run), keras.callbacks.TensorBoard(run.file("tensorboard"), write_graph=False)]
    callbacks.append(saver)  # last: it saves the state of the others
    return callbacks, saver


def _explained(error, training_input, run):
    """TensorFlow's error as one that says what to do; an unknown one as it is."""
    if training_input.unreadable.failure:
        return ValueError(training_input.unreadable.failure)  # TensorFlow has wrapped it
    if isinstance(error, tf.errors.ResourceExhaustedError):
        return training_input.out_of_memory(error)
    worker = training_input.worker
    if not (worker.several and isinstance(error, WORKER_LOST)):
        return error
    others = " or ".join(address for index, address in enumerate(worker.addresses) if index != worker.index)
    return ConnectionError(
        f"Worker {worker.index} ({worker.addresses[worker.index]}) has lost {others} ({first_line(error)}). Start "
        f"all workers again with the same commands. {describe_latest_checkpoint(run)}"
    )
