"""Checkpoints: all that a run needs to go on, to the bit, at the very step where it was interrupted."""

import json
import pathlib
import re
import signal
from typing import NamedTuple

import numpy as np

from keras_resnet.files import checksum, write_atomically
from keras_resnet.run_directory import Run

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
            if checksum(variables) == content["sha256"]:
                return Saved(content["epoch"], content["step"], variables, content["state"])
        except (OSError, ValueError, KeyError):
            pass
        print(f"The checkpoint {record} is damaged; looking for the one before.")
    return None


def save(run: Run, model, epoch: int, step: int, state: dict) -> None:
    """Writes a checkpoint of a compiled model. The record, with the checksum of the variables, makes it one."""
    name = f"checkpoints/epoch-{epoch:05d}-step-{step:07d}"
    values = {str(number): np.asarray(variable) for number, variable in enumerate(variables_of(model))}
    # Not HDF5, whose library crashes where the disk is full.
    variables = run.file(f"{name}.npz")
    write_atomically(variables, lambda scratch: np.savez(scratch, **values))
    run.write_json(f"{name}.json", {"epoch": epoch, "step": step, "sha256": checksum(variables), "state": state})
    for old in sorted(run.file("checkpoints").glob("*.json"))[:-KEPT_CHECKPOINTS]:
        old.unlink()
        old.with_suffix(".npz").unlink(missing_ok=True)


def restore(model, saved: Saved) -> None:
    """Gives a compiled model the variables of a checkpoint."""
    with np.load(saved.variables) as values:
        for number, variable in enumerate(variables_of(model)):
            variable.assign(values[str(number)])


def variables_of(model) -> list:
    """Weights, states of random generators, and the optimizer's. Keras's own weight files lack the second."""
    return [*model.variables, *model.optimizer.variables]


class Every(NamedTuple):
    """How often to save: every so many steps, or seconds; neither: as often as costs 1 % of the time.

    Example:
        >>> from keras_resnet.training.checkpoints import Every
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


def place(epoch, step) -> str:
    """Where in a run a checkpoint stands, in words."""
    return f"after {step} steps of epoch {epoch + 1}" if step else f"after epoch {epoch}"


def last_good(run: Run) -> str:
    """A sentence on the newest checkpoint that can be used."""
    saved = latest_checkpoint(run)
    return (
        f"The last good checkpoint is {saved.variables}, {place(*saved[:2])}." if saved else "There is no checkpoint."
    )
