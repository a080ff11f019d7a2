"""Trains networks with shortcuts A, B, C and none, and compares them."""

import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags

from keras_resnet.analysis.paper_networks import check_depth
from keras_resnet.commands.analyze import subject, sweeps
from keras_resnet.commands.flags import FLAGS, group
from keras_resnet.commands.markdown import print_table

if TYPE_CHECKING:
    from keras_resnet.analysis.shortcuts import Option
    from keras_resnet.analysis.sweep import PlannedRun
    from keras_resnet.data import Data


def define_flags() -> None:
    """Defines the flags of the command."""
    with group("model"):
        text = "Number of layers: 6n + 2 (8, 14, 20, ...) for small images, 18 or 34 for photos."
        flags.DEFINE_integer("depth", 20, text)
    sweeps.define_sweep_flags(seeds=(0, 1))


complete_flags = sweeps.complete_sweep_flags


def check_flags() -> None:
    """Refuses flags that are out of range."""
    check_depth(FLAGS.depth)
    sweeps.check_sweep_flags()


def main(argv: list[str]) -> None:
    """Trains, draws the errors after each run, and prints a table and the verdict."""
    del argv
    from keras_resnet.analysis.shortcuts import finished_options, networks, sentences

    options = finished_options(sweeps.train_networks(networks(FLAGS.depth), _write_results))
    columns = ("shortcut", "parameters", "GFLOPs", "training error", "test error")
    print_table(columns, map(_cells, options))
    print("\n".join(sentences(options)))


def _write_results(sweep: "Sequence[PlannedRun]", data: "Data", folder: pathlib.Path) -> None:
    """Writes shortcuts.csv and shortcuts.png, as far as the sweep has got."""
    from keras_resnet.analysis.shortcuts import finished_options
    from keras_resnet.reporting.shortcut_plots import plot_shortcuts

    rows = [option.row() for option in finished_options(sweep)]
    seeds = max(row["seeds"] for row in rows)
    title = f"Shortcuts of {FLAGS.depth}-layer networks on {data.name}, {seeds} seed{'s' * (seeds > 1)}"
    subject.write_table(folder / "shortcuts.csv", rows)
    subject.write_picture(folder / "shortcuts.png", lambda path: plot_shortcuts(rows, title, path))


def _cells(option: "Option") -> tuple[str, ...]:
    """The row of a kind of shortcut in the printed table."""
    return (
        option.shortcut,
        f"{option.parameters:,}",
        f"{option.multiply_adds / 1e9:.4f}",
        option.training_error.percent(),
        option.test_error.percent(),
    )
