"""The workdir of a training: whether a run can use it, its lock, its beginning, and its extension."""

import contextlib
import datetime
import fcntl
import itertools
import json
import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from keras_resnet.files import SCRATCH, write_text
from keras_resnet.recipes import RENAMED_FIELDS, Recipe, settings
from keras_resnet.run_directory import Run, environment
from keras_resnet.runtimes.metadata import LABELS_FILE, labels_text

# The parts of recipe.json that must be equal to resume a run; the others are only a record.
IDENTITY = ("model", "optimizer", "recipe", "augmentation", "teacher", "data")
ONLY_RECORDED = {"source"}  # within these parts: the same file may be at another path
NOT_IN_EARLIER_VERSIONS = ("optimizer", "start", "teacher")
LOCK = ".lock"
WRITTEN_BEFORE_RECIPE = (LOCK, "checkpoints", LABELS_FILE)
WRITTEN_BEFORE_FIRST_STEP = ("tensorboard", "bad_images*.tsv")
RESULTS = ("*.keras", "log.csv", "result.json", "report.html", "curves.png")
CHECKSUMS = {"fingerprints": "the images or labels", "weights": "the teacher's weights"}  # for messages

logger = logging.getLogger(__name__)

Description = dict[str, dict[str, Any]]  # of a run, from `description.describe_run`


def check_workdir(run: Run, description: Description, extend: bool = False) -> bool:
    """Checks that a run of this description can use the directory. It creates no files.

    Args:
        run: the run directory, which need not exist.
        description: of the requested run.
        extend: whether to train the run in it for more epochs.

    Returns:
        Whether the directory contains this run, to be resumed. A run that has neither a checkpoint nor a row in its log
        does not count: it is begun anew.

    Raises:
        FileExistsError: it contains another run, or other files; the message names the differences.
        FileNotFoundError: `extend`, and there is no run.
        OSError: it is not writable.
        ValueError: its recipe.json is damaged.
    """
    if run.directory.exists() and not run.directory.is_dir():
        raise FileExistsError(f"workdir {run.directory} is a file; choose another name.")
    _check_writable(run)
    if not run.file("recipe.json").exists():
        if _has_other_files(run):
            raise FileExistsError(f"workdir {run.directory} contains other files but no run; choose an empty folder.")
        if extend:
            raise FileNotFoundError(f"workdir {run.directory} contains no run to extend.")
        return False
    saved = _saved_description(run)
    if not _has_results(run):
        return False
    _check_version(run, saved)
    _check_differences(run, _differences(saved, json.loads(json.dumps(description))), extend)
    return True


def other_settings(run: Run, description: Description) -> str:
    """What differs between the run in the directory and a description, in words; "" if nothing, or without results.

    Raises:
        ValueError: the run's recipe.json is damaged.
    """
    if not run.file("recipe.json").exists() or not _has_results(run):
        return ""
    return _in_words(_differences(_saved_description(run), json.loads(json.dumps(description))))


def _check_writable(run):
    folder = run.directory
    while not folder.exists():
        folder = folder.parent
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=SCRATCH):
            pass
    except OSError as error:
        raise type(error)(f"workdir {run.directory} is not writable ({error.strerror}).") from error


def _has_other_files(run):
    """Whether the directory contains files that are not written before recipe.json."""
    paths = run.directory.iterdir() if run.directory.exists() else ()
    return any(path.name not in WRITTEN_BEFORE_RECIPE and not path.name.startswith(SCRATCH) for path in paths)


def _saved_description(run):
    saved = run.read_json("recipe.json")
    if not (
        isinstance(saved, dict)
        and all(isinstance(saved.get(part), dict) for part in ("model", "recipe", "augmentation", "data"))
        and all(isinstance(saved.get(part, {}), dict) for part in NOT_IN_EARLIER_VERSIONS)
        and isinstance(saved["recipe"].get("epochs"), int | float)
    ):
        raise ValueError(f"{run.file('recipe.json')} is damaged or from another program; choose another workdir.")
    defaults = json.loads(json.dumps(settings(Recipe())))  # of the settings that an earlier version did not have
    return {**saved, "recipe": {**defaults, **saved["recipe"]}}


def _has_results(run):
    """Whether the run has left anything that a later run would have to keep."""
    if any(run.file("checkpoints").glob("*.json")):
        return True
    log = run.file("log.csv")
    has_rows = log.exists() and len(log.read_bytes().splitlines()) > 1
    return has_rows or any(run.directory.glob("*.keras"))


def _check_version(run, saved):
    renamed = sorted({*saved["recipe"]} & {*RENAMED_FIELDS})
    if renamed or "optimizer" not in saved:
        fields = f", whose recipe has other field names ({', '.join(renamed)})" if renamed else ""
        raise FileExistsError(
            f"workdir {run.directory} contains a run of an earlier version{fields}. You can predict with it and "
            "evaluate it, but not resume it; choose another workdir."
        )


def identity(description: Description) -> dict[str, Any]:
    """The parts of a description that all workers must agree on: everything but the paths of files.

    Example:
        >>> from keras_resnet.training.workdir import identity
        >>> description = dict.fromkeys(("model", "optimizer", "recipe", "augmentation", "data"), {})
        >>> identity({**description, "teacher": {"source": "run", "weights": "ab"}, "start": {}})["teacher"]
        {'weights': 'ab'}
    """
    parts = (*IDENTITY, "start")
    return {
        part: {key: value for key, value in description[part].items() if key not in ONLY_RECORDED} for part in parts
    }


def _differences(saved, requested):
    """What differs between two descriptions: {(part, key): (saved, requested)}."""
    parts = {part: (saved.get(part, {}), requested[part]) for part in IDENTITY}
    differences = {
        (part, key): (before.get(key), now.get(key))
        for part, (before, now) in parts.items()
        for key in sorted({*before, *now} - ONLY_RECORDED)
        if before.get(key) != now.get(key)
    }
    sources = tuple(description.get("start", {}).get("source") for description in (saved, requested))
    if all(sources) and sources[0] != sources[1] and _starts_elsewhere(saved, requested):
        differences["start", "source"] = sources
    return differences


def _starts_elsewhere(saved, requested):
    weights = [description.get("start", {}).get("weights") for description in (saved, requested)]
    return all(weights) and weights[0] != weights[1]


def _check_differences(run, differences, extend):
    if not differences:
        return
    only_epochs = differences.keys() == {("recipe", "epochs")}
    before, requested = differences.get(("recipe", "epochs"), (0, 0))
    if only_epochs and extend and requested > before:
        return
    listed = _in_words(differences)
    if extend:
        raise FileExistsError(
            f"workdir {run.directory} contains a run that cannot be extended like this ({listed}). Only recipe.epochs "
            "may differ, and it must be higher."
        )
    advice = "Choose another workdir, or delete that run."
    if only_epochs and requested > before:
        advice = "To train it for more epochs, extend it (extend=True, or --extend); else choose another workdir."
    raise FileExistsError(f"workdir {run.directory} contains another run ({listed}). {advice}")


def _in_words(differences):
    """Differences in words, such as "recipe.epochs: saved 8.0, requested 3.0; recipe.pad: saved 4, requested 2"."""
    return "; ".join(_difference(*place, *values) for place, values in differences.items())


def _difference(part, key, saved, requested):
    if key in CHECKSUMS:
        return f"{CHECKSUMS[key]} differ"
    return f"{part}.{key}: saved {saved}, requested {requested}"


def warn_of_other_weights(run: Run, description: Description) -> None:
    """Warns if the weights of the given model are not those that the saved run started from."""
    if _starts_elsewhere(run.read_json("recipe.json"), description):
        logger.warning(
            "The weights of the given model are not those that the run in %s started from. The run continues from its "
            "own checkpoint; to train from the given weights, choose another workdir.",
            run.directory,
        )


def set_results_aside(run: Run) -> None:
    """Moves the models and the log of a run without an undamaged checkpoint into a folder: it begins again."""
    results = [path for pattern in RESULTS for path in sorted(run.directory.glob(pattern))]
    if not results:
        return
    number = next(number for number in itertools.count(1) if not run.file(f"earlier-{number}").exists())
    folder = run.file(f"earlier-{number}")
    folder.mkdir()
    for path in results:
        path.rename(folder / path.name)
    logger.warning(
        "%s has no undamaged checkpoint, so the run begins again. Its earlier models and its log are in %s.",
        run.directory,
        folder,
    )


def begin(run: Run, description: Description, class_names: Sequence[str]) -> None:
    """Creates the directory with labels.txt and, last, recipe.json, which makes it a run."""
    for pattern in WRITTEN_BEFORE_FIRST_STEP:  # of a run that failed before it had results
        for path in run.directory.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    run.file("checkpoints").mkdir(parents=True, exist_ok=True)
    write_text(run.file(LABELS_FILE), labels_text(class_names))
    run.write_json("recipe.json", {**description, "environment": environment()})


def extend_epochs(run: Run, description: Description) -> None:
    """Sets the epochs in recipe.json to those of the description, and adds the saved ones to `earlier_epochs`."""
    saved = run.read_json("recipe.json")
    before = saved["recipe"]["epochs"]
    if before != description["recipe"]["epochs"]:
        earlier = [*saved.get("earlier_epochs", []), before]
        run.write_json("recipe.json", {**saved, "recipe": description["recipe"], "earlier_epochs": earlier})


@contextlib.contextmanager
def locked(run: Run) -> Iterator[None]:
    """A context in which no other process can train in the directory, which is created.

    The system frees the lock when the process ends, however it ends. The lock file stays, since a process that waits
    to open it would otherwise lock a file that is gone.

    Raises:
        BlockingIOError: another process trains in the directory; the message says which.
    """
    run.directory.mkdir(parents=True, exist_ok=True)
    with run.file(LOCK).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise BlockingIOError(
                f"workdir {run.directory} is in use by {holder}. Wait until it has ended, or choose another workdir."
            ) from None
        except OSError as error:  # some network file systems have no locks
            logger.warning(
                "workdir %s cannot be locked (%s); make sure that no other process trains in it.",
                run.directory,
                error.strerror,
            )
        since = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()} since {since}\n")
        file.flush()
        yield
