"""report.html: a run on one page, from its first epoch on."""

import datetime
import html
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from keras_resnet.data.unreadable import read_unreadable
from keras_resnet.files import write_atomically, write_text
from keras_resnet.progress import duration
from keras_resnet.recipes import Recipe, setting_fields, setting_groups
from keras_resnet.reporting.findings import Findings, findings_sections, percent
from keras_resnet.reporting.page import code, details, framed_table, page, paragraph, section, table, tiles
from keras_resnet.reporting.plots import plot_curves
from keras_resnet.reporting.progress_charts import (
    RunLog,
    epochs_done,
    mean_rate,
    progress_charts,
    training_seconds,
)
from keras_resnet.reporting.repeat import how_to_repeat
from keras_resnet.run_directory import Run
from keras_resnet.view import View

NAMES_SHOWN = 10  # of classes; the others are folded

logger = logging.getLogger(__name__)


def write_report(run: Run, class_sizes: Mapping[str, int], findings: Findings | None = None) -> None:
    """Writes report.html, and at the end of the run curves.png. Without matplotlib it leaves that out, with a warning.

    Args:
        run: the run directory.
        class_sizes: the number of training images of each class; {} if it is not known.
        findings: of the final evaluation; None while the run goes on.

    Raises:
        OSError: the directory is not writable.
        ValueError: log.csv or recipe.json is damaged.

    Example:
        >>> from keras_resnet.reporting.report import write_report
        >>> from keras_resnet.run_directory import Run
        >>> write_report(Run("runs/pets"), {"cat": 500, "dog": 480})  # doctest: +SKIP
    """
    log = RunLog("", run.log(), run.recipe().epochs)
    write_text(run.file("report.html"), report_page(run, log, class_sizes, findings))
    if findings is None:
        return
    try:
        write_atomically(run.file("curves.png"), lambda scratch: plot_curves(log.rows, scratch, log.epochs))
    except ImportError:
        logger.warning("Left out curves.png, which needs matplotlib (pip install 'resnet-keras[plots]').")


def report_page(run: Run, log: RunLog, class_sizes: Mapping[str, int], findings: Findings | None) -> str:
    """The page as HTML; the arguments are those of `write_report`, and the run's log."""
    description, recipe = run.read_json("recipe.json"), run.recipe()
    images = description["data"].get("train", 0)
    sections = [
        tiles(_main_numbers(log, images, findings)),
        _status(log, findings),
        section("Curves", progress_charts([log]), details("Numbers of each epoch", _epochs(log.rows))),
        findings_sections(findings) if findings else "",
        section("Recipe", table((), _subject(description), "text"), *_recipe(recipe)),
        section("Data", *_data(run, description, class_sizes)),
        section("Environment", table((), _environment(description.get("environment", {})), "text")),
        section("To repeat this run", *_repetition(run)),
    ]
    return page(f"{description['model']['name']} on {description['data']['name']}", "\n".join(sections))


def _main_numbers(log: RunLog, images: int, findings: Findings | None) -> list[tuple[str, str]]:
    numbers = [("Epochs", f"{epochs_done(log):g} of {log.epochs:g}")]
    if findings:
        result = findings.results[0]
        numbers.insert(0, (f"{result['split'].capitalize()} accuracy", percent(result["top1_accuracy"])))
    if log.rows:
        last = log.rows[-1]
        numbers += [("Training loss", f"{last['loss']:.4g}"), ("Training error", percent(1 - last["accuracy"]))]
        if "val_accuracy" in last:
            numbers.append(("Validation error", percent(1 - last["val_accuracy"])))
    rate, seconds = mean_rate(log), training_seconds(log, images)
    if rate and seconds:
        numbers += [("Throughput", f"{rate:,.0f} images/s"), ("Training", f"about {duration(seconds)}")]
    return numbers


def _status(log: RunLog, findings: Findings | None) -> str:
    if findings:
        return f"<p><strong>{'<br>'.join(map(html.escape, findings.sentences))}</strong></p>"
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    return paragraph(
        f"The run is not complete: epoch {epochs_done(log):g} of {log.epochs:g} ended at {now}. This page is written "
        "again after each epoch; the final evaluation follows the last one."
    )


def _epochs(rows: Sequence[Mapping[str, float]]) -> str:
    if not rows:
        return paragraph("No epoch is complete yet.")
    columns = list(rows[0])
    counted_from_1 = ({**row, "epoch": row["epoch"] + 1} for row in rows)
    cells = ("".join(f"<td>{row[column]:.5g}</td>" for column in columns) for row in counted_from_1)
    return framed_table([column.replace("_", " ") for column in columns], [f"<tr>{row}</tr>" for row in cells])


def _subject(description: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was trained, and from what."""
    model, start = description["model"], description.get("start", {})
    parameters = f", {model['parameters']:,} parameters" if "parameters" in model else ""
    weights = start.get("source") or (f"checksum {start['weights'][:16]}" if start.get("weights") else "random")
    rows = [("model", f"{model['name']}{parameters}"), ("starting weights", weights)]
    for name in ("optimizer", "augmentation"):
        if own := description.get(name):
            rows.append((f"own {name}", own.get("class_name", "")))
    if teacher := description.get("teacher"):
        rows.append(("teacher", teacher.get("source") or f"checksum {teacher['weights'][:16]}"))
    return rows


def _recipe(recipe: Recipe) -> list[str]:
    """The settings that differ from the defaults, with what they mean; the others are folded."""
    changed, others = [], []
    for field in setting_fields():
        value = getattr(recipe, field.name)
        if value != field.default:
            changed.append((field.name, shown(value), field.metadata["help"]))
        else:
            others.append((field.name, shown(value), setting_groups()[field.name]))
    return [
        "<h3>Settings that differ from the defaults</h3>",
        table(("setting", "value", "meaning"), changed, "text explained"),
        details(f"{len(others)} settings with their defaults", table(("setting", "value", "group"), others, "text")),
    ]


def shown(value: Any) -> str:
    """A setting's value as text.

    Example:
        >>> from keras_resnet.reporting.report import shown
        >>> shown(True), shown((0.5, 0.75)), shown(0.1)
        ('yes', '0.5, 0.75', '0.1')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(shown, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _data(run: Run, description: Mapping[str, Any], class_sizes: Mapping[str, int]) -> list[str]:
    """What was found: images, classes and their sizes, view, and unreadable images."""
    data, unreadable = description["data"], _unreadable(run)
    by_size = sorted(class_sizes.items(), key=lambda item: item[1])
    names = run.class_names()
    listed = ", ".join([*names[:NAMES_SHOWN], *(["..."] if len(names) > NAMES_SHOWN else [])])
    source = description.get("data_source") or {}
    found = [source.get("source"), source.get("data_dir")]
    rows = [
        ("name", data["name"]),
        *((f"{split} images", f"{data[split]:,}") for split in ("train", "validation", "test") if split in data),
        ("classes", f"{data['classes']:,}: {listed}"),
        *([("training images of a class", _range_of_sizes(by_size))] if by_size else []),
        ("size of images", "x".join(map(str, data["image_shape"]))),
        ("tested on", str(View.from_json(data["view"]))),
        ("found in", ", ".join(filter(None, found)) or "memory, or not recorded"),
        ("unreadable images", f"{len(unreadable):,}"),
    ]
    fingerprints = [(split, checksum) for split, checksum in data.get("fingerprints", {}).items()]
    return [
        table((), rows, "text"),
        details(f"Training images of all {len(by_size):,} classes", table((), [(n, f"{s:,}") for n, s in by_size]))
        if by_size
        else "",
        details(f"{len(unreadable):,} unreadable images", table(("image", "reason"), unreadable, "text"))
        if unreadable
        else "",
        details("Checksums of the images", table((), fingerprints, "text")) if fingerprints else "",
    ]


def _range_of_sizes(by_size: Sequence[tuple[str, int]]) -> str:
    """The smallest and the largest class with their sizes; the sizes ascend."""
    (smallest, least), (largest, most) = by_size[0], by_size[-1]
    return f"{least:,} each" if least == most else f"{least:,} ({smallest}) to {most:,} ({largest})"


def _unreadable(run: Run) -> list[tuple[str, str]]:
    """The images that bad_images.tsv, or those of all workers, list with their reasons."""
    reasons: dict[str, str] = {}
    for path in sorted(run.directory.glob("bad_images*.tsv")):
        reasons |= read_unreadable(path)
    return list(reasons.items())


def _environment(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    versions = environment.get("packages", {}).items()
    known = {
        "Python": environment.get("python"),
        "machine": environment.get("machine"),
        "packages": ", ".join(f"{name} {version}" for name, version in versions),
        "commit of keras_resnet": environment.get("commit"),
    }
    return [(name, value or "not recorded") for name, value in known.items()]


def _repetition(run: Run) -> list[str]:
    repetition = how_to_repeat(run)
    return [code(repetition.program), *map(paragraph, repetition.notes)]
