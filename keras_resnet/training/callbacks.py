"""TODO training.callbacks."""

import json
import signal
import threading
import time

import keras
import numpy as np

from keras_resnet.files import write_atomically
from keras_resnet.training.checkpoints import Preempted, place, save
from keras_resnet.training.guards import check_finite
from keras_resnet.training.schedules import LearningRate


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
        worker: the `Worker` that this is; the chief alone writes, when any of the workers wants it.
    """

    def __init__(self, run, monitor, every, steps_per_epoch, resumed, stateful, worker):
        super().__init__()
        self.run, self.monitor, self.every, self.stateful, self.worker = run, monitor, every, stateful, worker
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
            if self.worker.is_chief:
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
        asked_to_stop, due = self.worker.any(self.asked_to_stop, due)
        if asked_to_stop or due:
            self._save(epoch, step)
        if asked_to_stop:
            raise Preempted(place(epoch, step))

    def _save(self, epoch, step):
        """The variables first: the record beside them, with their checksum, makes them a checkpoint."""
        start = time.perf_counter()
        state = self._state()  # of all workers: each has a part of the metrics
        if self.worker.is_chief:
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
