"""Callbacks that write and restore a run: its metrics and its checkpoints."""

import contextlib
import json
import logging
import signal
import threading
import time
from collections.abc import Iterator, Sequence

import keras
import numpy as np

from keras_resnet.distributed.workers import Worker
from keras_resnet.files import write_atomically
from keras_resnet.run_directory import Run
from keras_resnet.training.averages import MovingAverages
from keras_resnet.training.checkpoints import Checkpoint, CheckpointInterval, save_checkpoint, variables_of
from keras_resnet.training.guards import check_finite
from keras_resnet.training.position import PositionCallback, describe_position
from keras_resnet.training.schedules import LearningRate

# The attributes of a callback that a checkpoint keeps.
STATE = {
    LearningRate: ("warming_up", "current"),
    keras.callbacks.ReduceLROnPlateau: ("best", "wait", "cooldown_counter"),
    keras.callbacks.EarlyStopping: ("best", "wait"),
}

logger = logging.getLogger(__name__)


class RestoreMetrics(keras.callbacks.Callback):
    """Continues the running loss and metrics of a resumed epoch. It must be the first callback.

    Keras resets the metrics before an epoch and creates their variables in the first step. Since these variables are
    sums, the saved ones are added after that step.

    Args:
        checkpoint: the checkpoint to resume from, or None.
    """

    def __init__(self, checkpoint: Checkpoint | None):
        super().__init__()
        self.sums = checkpoint.state["metrics"] if checkpoint and checkpoint.step else None

    def on_train_batch_end(self, batch, logs=None):
        if self.sums:
            for variable, value in zip(self.model.metrics_variables, self.sums, strict=True):
                variable.assign(variable + value)
            logs.update({name: float(value) for name, value in self.model.get_metrics_result().items()})
            self.sums = None


class Preempted(SystemExit):
    """Ends a run that has saved a checkpoint on SIGTERM, with the usual exit code of that signal."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


class SaveCheckpoints(PositionCallback):
    """Saves checkpoints, and best.keras after each epoch with a new best `monitor`.

    It must come after the callbacks whose state it saves, and after the user's. On preemption (see
    `handle_preemption`), it saves a checkpoint after the current step and raises `Preempted`.

    Args:
        run: the run directory.
        monitor: the metric that decides on best.keras; higher is better.
        interval: how often to save.
        steps_per_epoch: steps of a full epoch.
        total_steps: steps of the whole run.
        checkpoint: the checkpoint to resume from, or None.
        stateful: callbacks whose attributes in `STATE` are saved and restored.
        worker: this worker. All workers agree on when to save; only the chief writes.
        averages: of the weights, if the run keeps them.
    """

    def __init__(
        self,
        run: Run,
        monitor: str,
        interval: CheckpointInterval,
        steps_per_epoch: int,
        total_steps: int,
        checkpoint: Checkpoint | None,
        stateful: Sequence[keras.callbacks.Callback],
        worker: Worker,
        averages: MovingAverages | None = None,
    ):
        super().__init__(checkpoint.step if checkpoint else 0)
        self.run, self.monitor, self.interval, self.stateful, self.worker = run, monitor, interval, stateful, worker
        self.steps_per_epoch, self.total_steps, self.averages = steps_per_epoch, total_steps, averages
        self.cut: tuple[int, list] | None = None  # the steps and the metrics of a last epoch that was cut short
        self.state = checkpoint.state if checkpoint else None  # to restore when `fit` begins
        self.best = -np.inf
        self.save_time: float | None = None  # seconds that the last save took
        self.saved_at = time.perf_counter()
        self.preempted = False

    @contextlib.contextmanager
    def handle_preemption(self) -> Iterator[None]:
        """A context in which SIGTERM, which announces preemption, only sets `preempted`."""
        if threading.current_thread() is not threading.main_thread():  # Python lets no other set handlers
            yield
            return

        def note(*_):
            self.preempted = True

        before = signal.signal(signal.SIGTERM, note)
        try:
            yield
        finally:
            if before is not None:  # None: a handler that was not set from Python
                signal.signal(signal.SIGTERM, before)

    def on_train_begin(self, logs=None):
        if self.state:
            self.best = self.state["best"]
            for callback in self.stateful:
                saved = self.state.get(type(callback).__name__, {})  # {}: of a run before this package had the callback
                for attribute, value in saved.items():
                    setattr(callback, attribute, value)

    def on_train_batch_end(self, batch, logs=None):
        step = self.steps_after(batch)
        if step == self.steps_per_epoch:  # saved by on_epoch_end
            return
        if self._is_last(self.epoch, step):
            self.cut = step, self._metrics()  # saved by on_train_end; validation uses the metrics before that
        else:
            self._save_if_due(self.epoch, step)

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        if logs[self.monitor] > self.best:
            self.best = float(logs[self.monitor])
            if self.worker.is_chief:
                check_finite(self._variables(), describe_position(epoch + 1, 0), self.run)
                write_atomically(self.run.file("best.keras"), self.model.save)
        if not self.cut:
            self._save_if_due(epoch + 1, 0)

    def on_train_end(self, logs=None):
        self.state = self._current_state()  # `fit` may be called again
        epoch, step = (self.epoch, self.cut[0]) if self.cut else (self.epoch + 1, 0)
        if self._is_last(epoch, step):
            self._save(epoch, step)
            self._end_if_preempted(epoch, step, *self.worker.any(self.preempted))

    def _is_last(self, epoch, step):
        """Whether the run ends here: with its last step, or because a callback has stopped it."""
        return self.model.stop_training or epoch * self.steps_per_epoch + step >= self.total_steps

    def _save_if_due(self, epoch, step):
        preempted, due = self.worker.any(self.preempted, self._is_due(epoch, step))
        if preempted or due:
            self._save(epoch, step)
        self._end_if_preempted(epoch, step, preempted)

    def _end_if_preempted(self, epoch, step, preempted):
        if preempted:
            position = describe_position(epoch, step)
            logger.warning("Preempted: saved %s; rerun the same command to resume.", position)
            raise Preempted

    def _is_due(self, epoch, step):
        if step == 0 and self.save_time is None and not self.interval.steps:
            return True  # the end of the first epoch: from now on it is known how long saving takes
        elapsed = time.perf_counter() - self.saved_at
        return self.interval.is_due(epoch * self.steps_per_epoch + step, elapsed, self.save_time)

    def _save(self, epoch, step):
        start = time.perf_counter()
        state = self._current_state()  # on all workers: each has a part of the metrics
        if self.worker.is_chief:
            check_finite(self._variables(), describe_position(epoch, step), self.run)
            save_checkpoint(self.run, self._variables(), epoch, step, state)
        self.saved_at = time.perf_counter()
        self.save_time = self.saved_at - start

    def _variables(self):
        return variables_of(self.model, self.averages)

    def _metrics(self):
        return [np.asarray(variable).tolist() for variable in self.model.metrics_variables]

    def _current_state(self):
        state = {
            "best": self.best,
            "metrics": self.cut[1] if self.cut else self._metrics(),
            "stopped_of": self.total_steps if self.model.stop_training else None,
        }
        for callback in self.stateful:
            values = {attribute: getattr(callback, attribute) for attribute in STATE[type(callback)]}
            state[type(callback).__name__] = json.loads(json.dumps(values, default=float))
        return state
