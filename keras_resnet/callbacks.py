"""What `train` hangs into `fit`: the learning rate, the speed, the log, the checkpoints."""

import json
import signal
import threading
import time

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.checkpoints import Preempted, place, save
from keras_resnet.guards import check_finite
from keras_resnet.runs import write_atomically


def rate_factor(recipe, progress: float) -> float:
    """What multiplies the base rate at `progress` (0 to 1) through the run, without warm-up by error.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.callbacks import rate_factor
        >>> paper = keras_resnet.RECIPES["cifar_he2015"]
        >>> [rate_factor(paper, step / 64_000) for step in (0, 31_999, 32_000, 48_000)]
        [1.0, 1.0, 0.1, 0.01]
    """
    if progress < recipe.warmup:
        return progress / recipe.warmup
    if recipe.schedule == "cosine":
        return 0.5 * (1 + np.cos(np.pi * (progress - recipe.warmup) / (1 - recipe.warmup)))
    return 10.0 ** -sum(progress >= step for step in recipe.schedule_steps)


class LearningRate(keras.callbacks.Callback):
    """Sets the rate before each step where the schedule changes it, and ends the run at its last step.

    While `warming_up` the rate is `recipe.warmup_rate`, until the running training error of an epoch
    falls below `recipe.warmup_error` (section 4.2 of the paper, for 110 layers).
    """

    def __init__(self, recipe, steps_per_epoch, total_steps, warms_up):
        super().__init__()
        self.recipe, self.steps_per_epoch, self.total_steps = recipe, steps_per_epoch, total_steps
        self.warming_up = warms_up
        self.current = None
        self.skipped = 0  # steps of the epoch that were made before `fit` was called

    def on_epoch_begin(self, epoch, logs=None):
        self.first_step = epoch * self.steps_per_epoch + self.skipped

    def on_train_batch_begin(self, batch, logs=None):
        scheduled = self.recipe.learning_rate * rate_factor(self.recipe, (self.first_step + batch) / self.total_steps)
        rate = self.recipe.warmup_rate if self.warming_up else scheduled
        if rate != self.current:  # else leave alone what the plateau rule set
            self.model.optimizer.learning_rate = self.current = float(rate)

    def on_train_batch_end(self, batch, logs=None):
        if self.warming_up and 1 - logs["accuracy"] < self.recipe.warmup_error:
            self.warming_up = False
        if self.first_step + batch + 1 >= self.total_steps:
            self.model.stop_training = True


class Waits:
    """Adds up the seconds that training waits for its next batch."""

    def __init__(self):
        self.seconds = 0.0

    def add(self, seconds):
        self.seconds += float(seconds)
        return np.int64(0)


def timed(dataset: tf.data.Dataset, waits: Waits) -> tf.data.Dataset:
    """The data set, each element of which tells `waits` how long it was waited for."""

    def clock():
        return tf.data.Dataset.range(1).repeat().map(lambda _: tf.timestamp())

    def note(asked, element, given):
        tf.numpy_function(waits.add, [given - asked], tf.int64)
        return element

    return tf.data.Dataset.zip(clock(), dataset, clock()).map(note)  # zip asks for its parts in turn


class Throughput(keras.callbacks.Callback):
    """Adds `images_per_second`, `input_wait` and `learning_rate` to the logs.

    `input_wait` is the share of the time, 0 to 1, that was spent waiting for images. The first step of an epoch is left
    out: it compiles, or fills the input pipeline. Says once that training is bound by its input, if it is.
    """

    BOUND = 0.1  # a share worth a word

    def __init__(self, examples, batch_size, waits):
        super().__init__()
        self.examples, self.batch_size, self.waits = examples, batch_size, waits
        self.told = False

    def on_epoch_begin(self, epoch, logs=None):
        self.speed = self.waiting = 0.0

    def on_train_batch_end(self, batch, logs=None):
        if batch == 0:
            self.start, self.waited = time.perf_counter(), self.waits.seconds
        else:
            images = min(self.batch_size * (batch + 1), self.examples) - self.batch_size
            seconds = time.perf_counter() - self.start
            self.speed = images / seconds
            self.waiting = min(1.0, (self.waits.seconds - self.waited) / seconds)
        logs["images_per_second"] = round(self.speed, 1)

    def on_epoch_end(self, epoch, logs=None):
        logs["images_per_second"] = round(self.speed, 1)
        logs["input_wait"] = round(self.waiting, 4)
        logs["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        if self.waiting > self.BOUND and not self.told:
            self.told = True
            print(
                f"\nInput-bound: {self.waiting:.0%} of the time the model waited for images. More processor cores, "
                "smaller images (scripts/prepare_imagenet.py) or a simpler augmentation would train faster."
            )


class Log(keras.callbacks.Callback):
    """Writes log.csv after each epoch, its rows numbered from 0. What a resumed run repeats is replaced."""

    def __init__(self, run):
        super().__init__()
        self.run = run

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch, **{name: float(value) for name, value in logs.items()}}
        self.run.write_log([*self.run.log()[:epoch], row])


# What of a callback a checkpoint keeps.
STATE = {
    LearningRate: ("warming_up", "current"),
    keras.callbacks.ReduceLROnPlateau: ("best", "wait", "cooldown_counter"),
}


class RunningMeans(keras.callbacks.Callback):
    """Lets the loss and metrics of a resumed epoch go on where they were; the first of the callbacks.

    They can be set only after the first step, which makes their variables: sums, to which the saved ones are added.
    """

    def __init__(self, resumed):
        super().__init__()
        self.sums = resumed.state["metrics"] if resumed and resumed.step else None

    def on_train_batch_end(self, batch, logs=None):
        if self.sums:
            for variable, value in zip(self.model.metrics_variables, self.sums, strict=True):
                variable.assign(variable + value)
            logs.update({name: float(value) for name, value in self.model.get_metrics_result().items()})
            self.sums = None


class Checkpoint(keras.callbacks.Callback):
    """Saves checkpoints, and best.keras where `monitor` is higher than ever; restores what it saved.

    SIGTERM, with which machines that can be taken away announce it, saves a checkpoint after the step and raises
    `Preempted`. It must be the last of the callbacks, since it keeps the state of the others.

    Args:
        run: the run directory.
        monitor: the accuracy that decides on best.keras.
        every: how often to save.
        steps_per_epoch: of a whole epoch.
        resumed: the checkpoint to start from, or None.
        stateful: callbacks whose attributes in `STATE` are kept and restored.
        host: the `Host` that this is; the chief alone writes, when any of the hosts wants it.
    """

    def __init__(self, run, monitor, every, steps_per_epoch, resumed, stateful, host):
        super().__init__()
        self.run, self.monitor, self.every, self.stateful, self.host = run, monitor, every, stateful, host
        self.steps_per_epoch = steps_per_epoch
        self.state = resumed.state if resumed else None  # to restore when `fit` begins
        self.skipped = resumed.step if resumed else 0  # steps of the epoch that `fit` begins with, made before
        self.best = -np.inf
        self.cost, self.saved = None, time.perf_counter()
        self.asked_to_stop = False

    def on_train_begin(self, logs=None):
        if threading.current_thread() is threading.main_thread():
            self.before = signal.signal(signal.SIGTERM, self._ask_to_stop)
        if self.state:
            self.best = self.state["best"]
            for callback in self.stateful:
                for attribute, value in self.state[type(callback).__name__].items():
                    setattr(callback, attribute, value)

    def release(self):
        """Gives SIGTERM back to whom it belonged to."""
        if getattr(self, "before", None) is not None:
            signal.signal(signal.SIGTERM, self.before)

    def _ask_to_stop(self, *_):
        self.asked_to_stop = True

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        step = self.skipped + batch + 1
        if step < self.steps_per_epoch:  # after the last comes on_epoch_end
            self._save_if_due(self.epoch, step)

    def on_epoch_end(self, epoch, logs=None):
        if logs[self.monitor] > self.best:
            self.best = float(logs[self.monitor])
            if self.host.is_chief:
                write_atomically(self.run.file("best.keras"), self.model.save)
        self.skipped = 0
        first_of_all = self.cost is None and not self.every.steps
        self._save_if_due(epoch + 1, 0, at_any_rate=first_of_all)

    def on_train_end(self, logs=None):
        self._save(self.epoch + 1, 0)
        self.state = self._state()

    def _save_if_due(self, epoch, step, at_any_rate=False):
        since = time.perf_counter() - self.saved
        due = at_any_rate or self.every.is_due(epoch * self.steps_per_epoch + step, since, self.cost)
        asked_to_stop, due = self.host.any(self.asked_to_stop, due)
        if asked_to_stop or due:
            self._save(epoch, step)
        if asked_to_stop:
            raise Preempted(place(epoch, step))

    def _save(self, epoch, step):
        """The variables first: the record beside them, with their checksum, makes them a checkpoint."""
        start = time.perf_counter()
        state = self._state()  # of all hosts: each has a part of the metrics
        if self.host.is_chief:
            check_finite(self.model, place(epoch, step), self.run)
            save(self.run, self.model, epoch, step, state)
        self.saved = time.perf_counter()
        self.cost = self.saved - start

    def _state(self):
        metrics = [np.asarray(variable).tolist() for variable in self.model.metrics_variables]
        state = {"best": self.best, "metrics": metrics}
        for callback in self.stateful:
            values = {attribute: getattr(callback, attribute) for attribute in STATE[type(callback)]}
            state[type(callback).__name__] = json.loads(json.dumps(values, default=float))
        return state
