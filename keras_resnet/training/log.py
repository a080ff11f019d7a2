"""What a run says about itself: log.csv, TensorBoard, the lines at its start, and a line a minute."""

import logging
import time

import keras
import tensorflow as tf

from keras_resnet.models.complexity import trainable_parameters
from keras_resnet.progress import duration
from keras_resnet.run_directory import Run
from keras_resnet.training.checkpoints import Checkpoint
from keras_resnet.training.distillation import Distillation
from keras_resnet.training.optimizers import describe_optimizer
from keras_resnet.training.position import PositionCallback, describe_position
from keras_resnet.training.training_input import TrainingInput

SECONDS_PER_LINE = 60.0
LISTED = 10  # missing epochs that a warning lists

logger = logging.getLogger(__name__)


class CSVLog(keras.callbacks.Callback):
    """Writes log.csv after each epoch, its rows numbered from 0. A repeated epoch replaces its row and later ones."""

    def __init__(self, run: Run):
        super().__init__()
        self.run = run

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch, **{name: float(value) for name, value in logs.items()}}
        self.run.write_log([*(earlier for earlier in self.run.log() if earlier["epoch"] < epoch), row])


class EpochTensorBoard(keras.callbacks.TensorBoard):
    """TensorBoard's scalars of each epoch.

    Keras's callback also makes scalars of each step, and drops them: 1 % of a step of ResNet-20 on CIFAR-10.
    """

    def __init__(self, run: Run):
        super().__init__(run.file("tensorboard"), write_graph=False)

    def on_train_batch_end(self, batch, logs=None):
        pass


def check_log(run: Run, epochs: int) -> None:
    """Warns if log.csv lacks rows of the epochs that are complete, and moves a damaged log.csv aside.

    The checkpoint is what counts: training continues without these rows.

    Args:
        run: the run directory.
        epochs: number of complete epochs.
    """
    try:
        rows = run.log()
    except ValueError as error:
        rows, aside = [], run.file("log.damaged.csv")
        run.file("log.csv").replace(aside)
        logger.warning("%s It is kept as %s, and a new log.csv begins.", error, aside.name)
    missing = sorted({*range(epochs)} - {int(row["epoch"]) for row in rows})
    if missing:
        listed = ", ".join(map(str, missing[:LISTED])) + (", ..." if len(missing) > LISTED else "")
        logger.warning(
            "%s lacks the rows of %d complete epochs (counted from 0: %s). Training continues from its checkpoint.",
            run.file("log.csv"),
            len(missing),
            listed,
        )


def log_start(model: keras.Model, training_input: TrainingInput, run: Run, checkpoint: Checkpoint | None) -> None:
    """Logs what a run has found: the model, devices, images, optimizer and recipe, and where its results go."""
    data, recipe, worker = training_input.data, training_input.recipe, training_input.worker
    devices = worker.strategy.num_replicas_in_sync
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    logger.info("Model: %s, %s trainable parameters.", model.name, f"{trainable_parameters(model):,}")
    logger.info("Devices: %d %s%s.", devices, kind, f", {len(worker.addresses)} workers" if worker.several else "")
    counts = ", ".join(f"{count} {split}" for split, count in data.counts.items())
    logger.info("Images of %s: %s; %d classes.", data.name, counts, len(data.class_names))
    logger.info("Optimizer: %s.", describe_optimizer(model.optimizer, recipe))
    logger.info("Recipe: %r.", recipe)
    if isinstance(model.loss, Distillation):
        logger.info("Teacher: %s.", model.loss.teacher)
    if checkpoint is None:
        logger.info("New run in %s.", run.directory)
        return
    position = f"{describe_position(checkpoint.epoch, checkpoint.step)} of {recipe.epochs:g}"
    if training_input.steps_before(checkpoint) < training_input.total_steps:
        logger.info("Resuming %s %s.", run.directory, position)
    else:
        logger.info("The run in %s is complete, %s.", run.directory, position)


class ProgressLines(PositionCallback):
    """Logs a line a minute within an epoch, for runs without a progress bar.

    Args:
        steps_per_epoch: steps of a full epoch.
        total_steps: steps of the whole run.
        skipped: steps of the first epoch that were made before `fit` was called.
        seconds: time between two lines.
    """

    def __init__(
        self, steps_per_epoch: int, total_steps: int, skipped: int = 0, seconds: float = SECONDS_PER_LINE
    ) -> None:
        super().__init__(skipped)
        self.steps_per_epoch, self.total_steps, self.seconds = steps_per_epoch, total_steps, seconds

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        self.start = self.logged_at = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        now = time.perf_counter()
        if now - self.logged_at < self.seconds:
            return
        self.logged_at = now
        step, before = self.steps_after(batch), self.epoch * self.steps_per_epoch
        in_epoch = min(self.steps_per_epoch, self.total_steps - before)
        left = (self.total_steps - before - step) * (now - self.start) / (batch + 1)
        logger.info(
            "Epoch %d: step %d of %d, loss %.4f, accuracy %.4f, %.1f images/s, about %s left.",
            self.epoch + 1,
            step,
            in_epoch,
            logs["loss"],
            logs["accuracy"],
            logs["images_per_second"],
            duration(max(60.0, left)),
        )
