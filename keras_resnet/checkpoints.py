"""Checkpoints: all that a run needs to go on, to the bit, at the very step where it was interrupted."""

import hashlib
import json
import pathlib
import re
import signal
import threading
import time
from typing import NamedTuple

import keras
import numpy as np

from keras_resnet.callbacks import LearningRate
from keras_resnet.runs import Run, write_atomically

# What of a callback a checkpoint keeps.
STATE = {
    LearningRate: ("warming_up", "current"),
    keras.callbacks.ReduceLROnPlateau: ("best", "wait", "cooldown_counter"),
}
KEPT_CHECKPOINTS = 2
MOST_TIME = 0.01  # share of the time that "auto" spends on checkpoints
FIRST_AFTER = 30.0  # seconds to the first checkpoint within an epoch, whose cost is not known yet


class Saved(NamedTuple):
    """A checkpoint: all variables after `step` steps of `epoch` (both from 0), and the callbacks' state."""

    epoch: int
    step: int
    variables: pathlib.Path
    state: dict


def latest_checkpoint(run: Run) -> Saved | None:
    """The newest checkpoint of the run whose checksum is right; damaged ones are named and passed over."""
    for record in sorted(run.file("checkpoints").glob("*.json"), reverse=True):
        try:
            content = json.loads(record.read_text(encoding="utf-8"))
            variables = record.with_suffix(".npz")
            if hashlib.sha256(variables.read_bytes()).hexdigest() == content["sha256"]:
                return Saved(content["epoch"], content["step"], variables, content["state"])
        except (OSError, ValueError, KeyError):
            pass
        print(f"The checkpoint {record} is damaged; looking for the one before.")
    return None


def restore(model, saved: Saved) -> None:
    """Gives a compiled model the variables of a checkpoint."""
    with np.load(saved.variables) as values:
        for number, variable in enumerate(_variables(model)):
            variable.assign(values[str(number)])


def _variables(model):
    """Weights, states of random generators, and the optimizer's. Keras's own weight files lack the second."""
    return [*model.variables, *model.optimizer.variables]


class Every(NamedTuple):
    """How often to save: every so many steps, or seconds; neither: as often as costs 1 % of the time.

    Example:
        >>> from keras_resnet.checkpoints import Every
        >>> Every.parse("10min").seconds
        600.0
    """

    steps: int | None = None
    seconds: float | None = None

    @classmethod
    def parse(cls, text) -> "Every":
        """From "auto", a number of steps as "500", or of minutes as "10min".

        Raises:
            ValueError: it is none of these.
        """
        if text == "auto":
            return cls()
        match = re.fullmatch(r"(\d+(?:\.\d+)?) *(min)?", str(text))
        if match and match[2] and float(match[1]) > 0:
            return cls(seconds=60 * float(match[1]))
        if match and match[1].isdigit() and int(match[1]) > 0:
            return cls(steps=int(match[1]))
        raise ValueError(
            f"checkpoint_every={text!r} must be 'auto', a number of steps ('500') or of minutes ('10min')."
        )

    def is_due(self, steps, since, cost) -> bool:
        """Whether to save after `steps` steps in all, `since` seconds after the last time, which took `cost`.

        `cost` is None before the first time.
        """
        if self.steps:
            return steps % self.steps == 0
        return since >= (self.seconds or (FIRST_AFTER if cost is None else cost / MOST_TIME))


class Preempted(SystemExit):
    """The run was asked to stop (SIGTERM), has saved a checkpoint, and ends with the usual exit code."""

    def __init__(self, where):
        super().__init__(128 + signal.SIGTERM)
        self.where = where


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
    """

    def __init__(self, run, monitor, every, steps_per_epoch, resumed, stateful):
        super().__init__()
        self.run, self.monitor, self.every, self.stateful = run, monitor, every, stateful
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
            write_atomically(self.run.file("best.keras"), self.model.save)
        self.skipped = 0
        first_of_all = self.cost is None and not self.every.steps
        self._save_if_due(epoch + 1, 0, at_any_rate=first_of_all)

    def on_train_end(self, logs=None):
        self._save(self.epoch + 1, 0)
        self.state = self._state()

    def _save_if_due(self, epoch, step, at_any_rate=False):
        since = time.perf_counter() - self.saved
        if (
            at_any_rate
            or self.asked_to_stop
            or self.every.is_due(epoch * self.steps_per_epoch + step, since, self.cost)
        ):
            self._save(epoch, step)
        if self.asked_to_stop:
            raise Preempted(place(epoch, step))

    def _save(self, epoch, step):
        """The variables first: the record beside them, with their checksum, makes them a checkpoint."""
        start = time.perf_counter()
        name = f"checkpoints/epoch-{epoch:05d}-step-{step:07d}"
        values = {str(number): np.asarray(variable) for number, variable in enumerate(_variables(self.model))}
        # Not HDF5, whose library crashes where the disk is full.
        variables = self.run.file(f"{name}.npz")
        write_atomically(variables, lambda scratch: np.savez(scratch, **values))
        checksum = hashlib.sha256(variables.read_bytes()).hexdigest()
        content = {"epoch": epoch, "step": step, "sha256": checksum, "state": self._state()}
        self.run.write_json(f"{name}.json", content)
        for old in sorted(self.run.file("checkpoints").glob("*.json"))[:-KEPT_CHECKPOINTS]:
            old.unlink()
            old.with_suffix(".npz").unlink(missing_ok=True)
        self.saved = time.perf_counter()
        self.cost = self.saved - start

    def _state(self):
        metrics = [np.asarray(variable).tolist() for variable in self.model.metrics_variables]
        state = {"best": self.best, "metrics": metrics}
        for callback in self.stateful:
            values = {attribute: getattr(callback, attribute) for attribute in STATE[type(callback)]}
            state[type(callback).__name__] = json.loads(json.dumps(values, default=float))
        return state


def place(epoch, step) -> str:
    """Where in a run a checkpoint stands, in words."""
    return f"after {step} steps of epoch {epoch + 1}" if step else f"after epoch {epoch}"
