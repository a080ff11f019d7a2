"""Checkpoint files: all that a run needs to resume at the exact step, to the bit."""

import hashlib
import json
import logging
import pathlib
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_resnet.errors import first_line, shown
from keras_resnet.files import checksum, write_atomically
from keras_resnet.rules import NOT_NEGATIVE, TEXT, WHOLE, Rule, check
from keras_resnet.run_directory import Run
from keras_resnet.training.averages import MovingAverages
from keras_resnet.training.position import describe_position

KEPT_CHECKPOINTS = 2
SAVING_FRACTION = 0.01  # fraction of the time that "auto" spends on saving checkpoints
FIRST_AFTER = 30.0  # seconds to the first checkpoint within an epoch, before it is known how long saving takes

_CHECKSUM = (TEXT, Rule(lambda text: bool(re.fullmatch("[0-9a-f]{64}", text)), "must be a SHA-256 checksum"))
FIELDS = {  # of the JSON record of a checkpoint
    "epoch": (WHOLE, NOT_NEGATIVE),
    "step": (WHOLE, NOT_NEGATIVE),
    "sha256": _CHECKSUM,
    "state": (Rule(lambda value: isinstance(value, dict), "must be an object"),),
    "record_sha256": _CHECKSUM,
}

NAME = r"epoch-(\d+)-step-(\d+)"  # of a checkpoint's files

logger = logging.getLogger(__name__)


class Checkpoint(NamedTuple):
    """A saved checkpoint.

    Attributes:
        epoch: the epoch, from 0.
        step: steps of it that were complete.
        variables: the .npz file of all variables.
        state: of the callbacks, as `callbacks.SaveCheckpoints` wrote it.
    """

    epoch: int
    step: int
    variables: pathlib.Path
    state: dict


def latest_checkpoint(run: Run) -> Checkpoint | None:
    """The newest checkpoint of the run with correct checksums. Damaged ones are skipped with a warning."""
    for record in reversed(_records(run)):
        try:
            return _read(record)
        except (OSError, ValueError) as error:
            reason = first_line(error)
        logger.warning("The checkpoint %s is damaged (%s); looking for the previous one.", record, reason)
    return None


def _read(record: pathlib.Path) -> Checkpoint:
    """The checkpoint of a JSON record.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file is damaged.
    """
    content = json.loads(record.read_text(encoding="utf-8"))
    if not (isinstance(content, dict) and content.keys() == FIELDS.keys()):
        raise ValueError("its record is not complete")
    if content["record_sha256"] != _record_checksum(content):
        raise ValueError("the checksum of its record differs")
    for name, rule in FIELDS.items():
        check(name, content[name], *rule)
    if record.stem != _name(content["epoch"], content["step"]):
        raise ValueError("it has the name of another checkpoint")
    variables = record.with_suffix(".npz")
    if checksum(variables) != content["sha256"]:
        raise ValueError("the checksum of its variables differs")
    return Checkpoint(content["epoch"], content["step"], variables, content["state"])


def _record_checksum(content: dict[str, Any]) -> str:
    """The checksum of a record's other values."""
    values = {name: value for name, value in content.items() if name != "record_sha256"}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _name(epoch: int, step: int) -> str:
    """The name of a checkpoint's files, without suffix."""
    return f"epoch-{epoch:05d}-step-{step:07d}"


def _records(run: Run) -> list[pathlib.Path]:
    """The JSON records of the checkpoints of a run, in the order of their epochs and steps."""
    names = ((re.fullmatch(NAME, record.stem), record) for record in run.file("checkpoints").glob("*.json"))
    return [record for *_, record in sorted((int(name[1]), int(name[2]), record) for name, record in names if name)]


def describe_latest_checkpoint(run: Run) -> str:
    """A sentence about the newest undamaged checkpoint, for error messages."""
    checkpoint = latest_checkpoint(run)
    if checkpoint is None:
        return "There is no checkpoint."
    position = describe_position(checkpoint.epoch, checkpoint.step)
    return f"The last good checkpoint is {checkpoint.variables}, {position}."


def save_checkpoint(run: Run, variables: Sequence[Any], epoch: int, step: int, state: dict) -> None:
    """Writes a checkpoint of `variables_of` a run, and removes old ones and those of later steps.

    Later ones are left from before a resume at an earlier step, because they were damaged.

    The variables are written first. The JSON record with their checksum completes the checkpoint.
    """
    name = f"checkpoints/{_name(epoch, step)}"
    values: dict[str, Any] = {str(number): as_saved(variable) for number, variable in enumerate(variables)}
    # Not HDF5: its library crashes when the disk is full.
    file = run.file(f"{name}.npz")
    write_atomically(file, lambda scratch: np.savez(scratch, **values))
    content = {"epoch": epoch, "step": step, "sha256": checksum(file), "state": state}
    run.write_json(f"{name}.json", {**content, "record_sha256": _record_checksum(content)})
    records = _records(run)
    end = records.index(run.file(f"{name}.json")) + 1
    for other in (*records[: max(0, end - KEPT_CHECKPOINTS)], *records[end:]):
        other.unlink()
    for variables_file in run.file("checkpoints").glob("*.npz"):  # also those that an interrupted save has left
        if not variables_file.with_suffix(".json").exists():
            variables_file.unlink()


def as_saved(variable: Any) -> np.ndarray:
    """The value of a variable as a checkpoint has it: bfloat16, which NumPy's files do not know, as float32."""
    value = np.asarray(variable)
    return value.astype("float32") if value.dtype.name == "bfloat16" else value


def restore_variables(variables: Sequence[Any], checkpoint: Checkpoint) -> None:
    """Sets `variables_of` a run to those of a checkpoint."""
    with np.load(checkpoint.variables) as values:
        for number, variable in enumerate(variables):
            variable.assign(values[str(number)])


def variables_of(model: keras.Model, averages: MovingAverages | None = None) -> list[Any]:
    """The variables of a run, of Keras or TensorFlow: all that its next steps depend on.

    They are the model's weights, the states of its random generators (which Keras's own weight files lack), the
    variables of its optimizer, and moving averages.

    Args:
        model: compiled.
        averages: of its weights, if the run keeps them.
    """
    return [*model.variables, *model.optimizer.variables, *(averages.variables if averages else ())]


class CheckpointInterval(NamedTuple):
    """How often to save: every so many steps or seconds, or, with neither, as often as takes 1 % of the time.

    Example:
        >>> from keras_resnet.training.checkpoints import CheckpointInterval
        >>> CheckpointInterval.parse("10min").seconds
        600.0
    """

    steps: int | None = None
    seconds: float | None = None

    @classmethod
    def parse(cls, text: str | int) -> "CheckpointInterval":
        """Reads "auto", a number of steps as "500", or of minutes as "10min".

        Raises:
            ValueError: `text` is none of these.
        """
        if text == "auto":
            return cls()
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?) *(min)?", str(text)) if isinstance(text, str | int) else None
        if match and match[2] and float(match[1]) > 0:
            return cls(seconds=60 * float(match[1]))
        if match and match[1].isdigit() and int(match[1]) > 0:
            return cls(steps=int(match[1]))
        raise ValueError(
            f"checkpoint_every={shown(text)} must be 'auto', a number of steps ('500') or of minutes ('10min')."
        )

    def is_due(self, steps: int, elapsed: float, save_time: float | None) -> bool:
        """Whether to save now.

        Args:
            steps: complete steps of the run.
            elapsed: seconds since the last save.
            save_time: seconds that the last save took; None before the first.
        """
        if self.steps:
            return steps % self.steps == 0
        return elapsed >= (self.seconds or (FIRST_AFTER if save_time is None else save_time / SAVING_FRACTION))
