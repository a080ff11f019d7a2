"""TODO training.loop."""

import dataclasses
import math
import sys

import keras
import tensorflow as tf

from keras_resnet.data.batches import evaluation_batches, training_batches
from keras_resnet.data.loading import Data
from keras_resnet.data.unreadable import UnreadableImages
from keras_resnet.distributed.workers import Worker
from keras_resnet.errors import first_line
from keras_resnet.recipes import Recipe
from keras_resnet.training.callbacks import Checkpoint, Log, RunningMeans
from keras_resnet.training.checkpoints import Preempted, last_good, place
from keras_resnet.training.guards import DivergenceGuard
from keras_resnet.training.memory import too_large
from keras_resnet.training.schedules import LearningRate, needs_warmup
from keras_resnet.training.throughput import DataTime, Throughput, measure_data_time
from keras_resnet.transforms.views import center_view

LOST = (  # what a step over several workers fails with when one of them ends
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
)


@dataclasses.dataclass(frozen=True)
class TrainingInput:
    """What a run trains on, and how: all that its batches depend on."""

    data: Data
    recipe: Recipe
    augmentation: keras.layers.Layer | None
    bad: UnreadableImages
    worker: Worker

    @property
    def steps_per_epoch(self) -> int:
        """Batches that the training images make."""
        return math.ceil(len(self.data.train) / self.recipe.batch_size)

    @property
    def total_steps(self) -> int:
        """Of the whole run."""
        return max(1, round(self.recipe.epochs * self.steps_per_epoch))

    def training(self, epoch: int, step: int, waits: DataTime):
        """Batches (images, labels) from a step of an epoch on; `waits` learns how long they are waited for."""
        options = dict(classes=len(self.data.class_names), layer=self.augmentation, unreadable=self.bad)

        def batches_of(shard):
            return measure_data_time(
                training_batches(self.data.train, self.recipe, epoch, step, shard=shard, **options), waits
            )

        return self.worker.distribute(batches_of)

    def validation(self) -> dict:
        """The arguments of `fit` for the validation images as a test shows them; none without such images."""
        examples, view = self.data.validation, self.data.view
        if examples is None:
            return {}
        size, classes = self.recipe.batch_size, len(self.data.class_names)

        def batches_of(shard):
            batches = evaluation_batches(examples, size, lambda image: center_view(image, view)[0], self.bad, shard)
            soft = self.recipe.soft_labels
            return batches.map(lambda images, labels, _: (images, tf.one_hot(labels, classes) if soft else labels))

        return dict(
            validation_data=self.worker.distribute(batches_of), validation_steps=math.ceil(len(examples) / size)
        )

    def too_large(self, error):
        """What TensorFlow's error on lack of memory means."""
        return too_large(self.recipe.batch_size, self.data.image_shape, first_line(error))


def fit(model, feed, run, checkpoint, every, verbose):
    """Runs `model.fit` from the checkpoint to the end: once for the rest of a begun epoch, once for all others."""
    epochs = math.ceil(feed.total_steps / feed.steps_per_epoch)
    epoch, step = (checkpoint.epoch, checkpoint.step) if checkpoint else (0, 0)
    if checkpoint and feed.worker.is_chief:
        print(f"Resuming {run.directory} {place(epoch, step)} of {epochs}.")
    if epoch >= epochs:
        return
    if verbose == "auto":
        verbose = 1 if sys.stdout.isatty() else 2

    waits = DataTime()
    rate, keeper, callbacks = _callbacks(model, feed, run, checkpoint, every, waits)
    try:
        for first, skipped, end in (
            ((epoch, step, epoch + 1), (epoch + 1, 0, epochs)) if step else ((epoch, 0, epochs),)
        ):
            rate.skipped = skipped
            model.fit(
                feed.training(first, skipped, waits),
                steps_per_epoch=feed.steps_per_epoch - skipped,
                initial_epoch=first,
                epochs=end,
                callbacks=callbacks,
                shuffle=False,  # the batches come shuffled
                verbose=verbose if feed.worker.is_chief else 0,
                **feed.validation(),
            )
    except tf.errors.OpError as error:
        raise _explained(error, feed, run) from None
    except Preempted as stop:
        print(f"Asked to stop: saved {stop.where}; the same command goes on from there.")
        raise
    finally:
        keeper.release()


def _callbacks(model, feed, run, checkpoint, every, waits):
    """(rate, keeper, all callbacks in the order in which they are called)."""
    recipe, worker = feed.recipe, feed.worker
    monitor = "val_accuracy" if feed.data.validation else "accuracy"
    rate = LearningRate(recipe, feed.steps_per_epoch, feed.total_steps, warms_up=needs_warmup(model, recipe))
    plateau = keras.callbacks.ReduceLROnPlateau(monitor, factor=0.1, patience=recipe.plateau_patience, min_delta=0)
    keeper = Checkpoint(run, monitor, every, feed.steps_per_epoch, checkpoint, (rate, plateau), worker)
    written_by_chief = [Log(run), keras.callbacks.TensorBoard(run.file("tensorboard"), write_graph=False)]
    callbacks = [
        RunningMeans(checkpoint),  # first: the others read them
        DivergenceGuard(len(feed.data.class_names), run, checkpoint.step if checkpoint else 0),
        rate,  # sets the rate before each step
        Throughput(len(feed.data.train), recipe.batch_size, waits),  # adds images/s, waiting and the rate to the logs
        *([plateau] if recipe.schedule == "plateau" else []),
        *(written_by_chief if worker.is_chief else []),
        keeper,  # last: it keeps the state of the others
    ]
    return rate, keeper, callbacks


def _explained(error, feed, run):
    """An error of TensorFlow as one that says what to do, if it is known."""
    if feed.bad.failure:
        return ValueError(feed.bad.failure)  # TensorFlow has wrapped it
    if isinstance(error, tf.errors.ResourceExhaustedError):
        return feed.too_large(error)
    worker = feed.worker
    if not (worker.several and isinstance(error, LOST)):
        return error
    others = " or ".join(address for index, address in enumerate(worker.addresses) if index != worker.index)
    return ConnectionError(
        f"Worker {worker.index} ({worker.addresses[worker.index]}) has lost {others} ({first_line(error)}). Start "
        f"all of them again with the same commands. {last_good(run)}"
    )
