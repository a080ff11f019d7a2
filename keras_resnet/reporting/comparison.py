"""Runs compared on one page: what differs in their recipes, their curves, accuracies, and times."""

import math
import os
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from keras_resnet.files import write_text
from keras_resnet.progress import duration
from keras_resnet.recipes import settings
from keras_resnet.reporting.findings import percent
from keras_resnet.reporting.page import page, paragraph, section, table
from keras_resnet.reporting.progress_charts import (
    RunLog,
    epochs_done,
    mean_rate,
    progress_charts,
    training_seconds,
)
from keras_resnet.reporting.report import shown
from keras_resnet.run_directory import Run

FEWEST = 2  # runs to compare
DIGEST = 32  # hexadecimal digits, from which on a text is a checksum or a commit
# The parts of recipe.json, besides the recipe, in which runs are compared.
PARTS = ("model", "start", "optimizer", "augmentation", "teacher", "data", "environment")


class ComparedRun(NamedTuple):
    """A run on the page.

    Attributes:
        log: its name and its log.
        description: its recipe.json.
        settings: of its recipe.
        result: its result.json; None for a run that is not complete.
    """

    log: RunLog
    description: Mapping[str, Any]
    settings: Mapping[str, Any]
    result: Mapping[str, Any] | None


def write_comparison(runs: Sequence[str | os.PathLike], path: str | os.PathLike) -> list[ComparedRun]:
    """Writes a page that compares runs. It is one file that loads nothing.

    Runs that are not complete are shown as far as they are.

    Args:
        runs: two or more run directories; differences are those to the first.
        path: the HTML file to write.

    Returns:
        The runs, as the page shows them.

    Raises:
        FileNotFoundError: one of the runs is not a run directory, or there is no folder for the file.
        ValueError: there are less than two runs, one is given twice, or one is damaged.

    Example:
        >>> from keras_resnet.reporting.comparison import write_comparison
        >>> runs = write_comparison(["runs/plain", "runs/residual"], "compare.html")  # doctest: +SKIP
    """
    path = pathlib.Path(path).expanduser()
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent} for {path.name}.")
    if path.is_dir():
        raise FileExistsError(f"{path} is a folder; name a file, such as {path / 'compare.html'}.")
    compared = read_runs(runs)
    write_text(path, comparison_page(compared))
    return compared


def read_runs(runs: Sequence[str | os.PathLike]) -> list[ComparedRun]:
    """The runs to compare, with names that tell them apart; errors are those of `write_comparison`."""
    directories = [Run(directory) for directory in runs]
    for run in directories:
        if not run.file("recipe.json").is_file():
            raise FileNotFoundError(f"{run.directory} is not a run directory: it has no recipe.json.")
    resolved = [run.directory.resolve() for run in directories]
    if len(set(resolved)) < max(FEWEST, len(runs)):
        twice = next((path for path in resolved if resolved.count(path) > 1), None)
        raise ValueError(f"{twice} is given twice." if twice else "Give two or more run directories to compare.")
    return [_read(run, name) for run, name in zip(directories, short_names(resolved), strict=True)]


def _read(run: Run, name: str) -> ComparedRun:
    description, recipe, rows = run.read_json("recipe.json"), run.recipe(), run.log()
    log = RunLog(name, rows, recipe.epochs)
    return ComparedRun(log, description, settings(recipe), _result(run, recipe.epochs))


def _result(run: Run, epochs: float) -> Mapping[str, Any] | None:
    """The content of result.json; None without one, or if it is that of a run of fewer epochs, which is extended."""
    if not run.file("result.json").is_file():
        return None
    result = run.read_json("result.json")
    if not {"split", "images"} <= result.keys() or not {"top1_accuracy", "top1_correct"} & result.keys():
        raise ValueError(f"{run.file('result.json')} is damaged (it has no accuracy).")
    return result if result.get("epochs", epochs) == epochs else None


def short_names(paths: Sequence[pathlib.Path]) -> list[str]:
    """The last parts of different paths, as many as tell them apart.

    Example:
        >>> import pathlib
        >>> from keras_resnet.reporting.comparison import short_names
        >>> short_names([pathlib.Path("runs/a/seed0"), pathlib.Path("runs/b/seed0")])
        ['a/seed0', 'b/seed0']
    """
    most = max(len(path.parts) for path in paths)
    shortened = (["/".join(path.parts[-count:]) for path in paths] for count in range(1, most + 1))
    return next(names for names in shortened if len(set(names)) == len(names))


def comparison_page(runs: Sequence[ComparedRun]) -> str:
    """The page as HTML."""
    names = [run.log.name for run in runs]
    differences = [(setting, *map(shown, values)) for setting, values in differing(runs)]
    result_columns = ("run", "epochs", "accuracy", "difference", "standard error", "top-5", "tested on")
    sections = [
        section(
            "Accuracy",
            table(result_columns, [_accuracy(run, runs[0]) for run in runs], "text"),
            paragraph(
                "Differences are in percentage points to the first run, for runs tested on the same images. The "
                "standard error is that of the accuracy over images, in points; runs with other seeds differ more.",
                "quiet",
            ),
        ),
        section(
            "What differs",
            table(("", *names), differences, "text") if differences else paragraph("Nothing that recipe.json records."),
        ),
        section("Curves", progress_charts([run.log for run in runs])),
        section(
            "Time",
            table(("run", "throughput (images/s)", "training", "data time"), [_time(run) for run in runs]),
            paragraph(
                "The training time is computed from the throughput of each epoch, without validation and compilation.",
                "quiet",
            ),
        ),
    ]
    return page(f"{len(runs)} runs compared", "\n".join(sections))


def differing(runs: Sequence[ComparedRun]) -> list[tuple[str, list[Any]]]:
    """What differs between runs: settings of the recipe, and the other parts of recipe.json.

    Returns:
        Pairs of a name and the values of the runs; "-" where a run has none.
    """
    flat = [{**run.settings, **dict(_flattened(run.description))} for run in runs]
    names = dict.fromkeys(name for values in flat for name in values)
    found = [(name, [values.get(name, "-") for values in flat]) for name in names]
    different = [(name, values) for name, values in found if any(value != values[0] for value in values)]
    return [(name, [*map(_shortened, values)]) for name, values in different]


def _flattened(description: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The parts of recipe.json besides the recipe as pairs of a name, such as "data.train", and a value."""

    def walk(name: str, value: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(value, Mapping):
            for key, item in value.items():
                yield from walk(f"{name}.{key}", item)
        elif value is not None:
            yield name, value

    for part in PARTS:
        yield from walk(part, description.get(part, {}))


def _shortened(value: Any) -> Any:
    """A checksum or commit without its middle; anything else as it is."""
    digest = re.fullmatch(rf"[0-9a-f]{{{DIGEST},}}(-dirty)?", value) if isinstance(value, str) else None
    return f"{value[:12]}...{digest[1] or ''}" if digest else value


def _accuracy(run: ComparedRun, first: ComparedRun) -> tuple[str, ...]:
    epochs = f"{epochs_done(run.log):g} of {run.log.epochs:g}"
    if run.result is None:
        return (run.log.name, epochs, "not complete", *["-"] * 4)
    result, accuracy = run.result, accuracy_of(run.result)
    comparable = first.result is not None and run is not first and _tested_on(run) == _tested_on(first)
    difference = f"{100 * (accuracy - accuracy_of(first.result)):+.2f}" if comparable else "-"  # type: ignore[arg-type]
    error = 100 * math.sqrt(accuracy * (1 - accuracy) / result["images"])
    tested = ", ".join(filter(None, [f"{result['images']:,} {result['split']} images", result.get("protocol")]))
    top5 = result.get("top5_accuracy")
    return run.log.name, epochs, percent(accuracy), difference, f"{error:.2f}", percent(top5), tested


def accuracy_of(result: Mapping[str, Any]) -> float:
    """The accuracy in a run's result.json, also in one of `scripts/train_cifar10_jax.py`, which has only counts.

    Example:
        >>> from keras_resnet.reporting.comparison import accuracy_of
        >>> accuracy_of({"images": 10, "top1_correct": 9})
        0.9
    """
    return result["top1_accuracy"] if "top1_accuracy" in result else result["top1_correct"] / result["images"]


def _tested_on(run: ComparedRun) -> tuple[Any, ...]:
    """The split that a complete run was tested on, and the checksum of its images, or else their name and number."""
    data, split = run.description["data"], run.result["split"]  # type: ignore[index]
    fingerprint = data.get("fingerprints", {}).get(split)
    return split, fingerprint or (data.get("name"), run.result["images"])  # type: ignore[index]


def _time(run: ComparedRun) -> tuple[str, ...]:
    rate, seconds = mean_rate(run.log), training_seconds(run.log, run.description["data"].get("train", 0))
    waiting = [row["data_time"] for row in run.log.rows if "data_time" in row]
    return (
        run.log.name,
        f"{rate:,.0f}" if rate else "-",
        f"about {duration(seconds)}" if seconds else "-",
        percent(sum(waiting) / len(waiting)) if waiting else "-",
    )
