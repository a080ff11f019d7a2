"""Trains plain and residual networks of several depths, and compares their errors."""

import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from keras_resnet.analysis.paper_networks import check_depth, is_for_photos
from keras_resnet.commands.analyze import subject, sweeps
from keras_resnet.commands.flags import FLAGS, define_numbers, group, refuse

if TYPE_CHECKING:
    from keras_resnet.analysis.sweep import PlannedRun
    from keras_resnet.data import Data

DEPTHS = (20, 56)  # of the paper's figure 1


def define_flags() -> None:
    """Defines the flags of the command."""
    with group("model"):
        text = "Numbers of layers, two or more: 6n + 2 (8, 14, 20, ...) for small images, or 18,34 for photos."
        define_numbers("depths", DEPTHS, text, number=int)
    sweeps.define_sweep_flags(seeds=(0,))


complete_flags = sweeps.complete_sweep_flags


def check_flags() -> None:
    """Refuses flags that are out of range."""
    depths = FLAGS.depths
    for depth in depths:
        check_depth(depth)
    listed = ",".join(map(str, depths))
    refuse(
        [
            (len(set(depths)) < max(2, len(depths)), f"--depths={listed} must be two or more different depths."),
            (len(set(map(is_for_photos, depths))) > 1, f"--depths={listed} mixes networks for CIFAR and for photos."),
        ]
    )
    sweeps.check_sweep_flags()


def main(argv: list[str]) -> None:
    """Trains, draws the errors after each run, and prints the verdict."""
    del argv
    from keras_resnet.analysis.degradation import networks, verdict

    finished = sweeps.train_networks(networks(FLAGS.depths), _write_results)
    print("\n".join(verdict(finished).sentences()))


def _write_results(sweep: "Sequence[PlannedRun]", data: "Data", folder: pathlib.Path) -> None:
    """Writes degradation.csv, degradation_final.csv and degradation.png, as far as the sweep has got."""
    from keras_resnet.analysis.degradation import error_rows, final_rows
    from keras_resnet.reporting.degradation_plots import plot_degradation

    rows = error_rows(sweep)
    subject.write_table(folder / "degradation.csv", rows)
    subject.write_table(folder / "degradation_final.csv", final_rows(sweep))
    subject.write_picture(folder / "degradation.png", lambda path: plot_degradation(rows, data.name, path))
