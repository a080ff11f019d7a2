"""What the subjects that train several networks share: their flags, the plan, and the sweep itself."""

import functools
import pathlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import keras_resnet
from keras_resnet.analysis.paper_networks import Network
from keras_resnet.commands.analyze import subject
from keras_resnet.commands.flags import (
    FLAGS,
    default_to_recipe,
    define_data_flags,
    define_download_flag,
    define_numbers,
    define_recipe_flags,
    find_source,
    group,
    recipe_from_flags,
    refuse,
)
from keras_resnet.commands.markdown import print_table
from keras_resnet.recipes import Recipe, override

if TYPE_CHECKING:
    from keras_resnet.analysis.sweep import PlannedRun
    from keras_resnet.data import Data

RECIPE = "cifar_quick"
CIFAR_DATA = "cifar10"


def define_sweep_flags(seeds: Sequence[int]) -> None:
    """Defines the flags of a sweep: --seeds, --recipe and its settings, --data_dir, --data, --download and --output.

    Args:
        seeds: default of --seeds.
    """
    with group("run"):
        define_numbers("seeds", tuple(seeds), "Random seeds: a run of each network for each of them.", number=int)
    define_recipe_flags(RECIPE, without=("seed",))
    define_data_flags(default=CIFAR_DATA)
    define_download_flag()
    subject.define_output_flag()


def complete_sweep_flags() -> None:
    """Makes the values of the selected recipe the defaults of its flags."""
    default_to_recipe()


def check_sweep_flags() -> None:
    """Refuses flags that are out of range.

    Raises:
        ValueError: one is.
    """
    refuse(
        [
            (not FLAGS.seeds, "--seeds is empty."),
            (len(set(FLAGS.seeds)) < len(FLAGS.seeds), f"--seeds={_listed(FLAGS.seeds)} repeats a seed."),
        ]
    )
    for seed in FLAGS.seeds:
        override(recipe_from_flags(), seed=seed)


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))


def train_networks(
    networks: Sequence[Network], write_results: "Callable[[Sequence[PlannedRun], Data, pathlib.Path], None]"
) -> "Sequence[PlannedRun]":
    """Prints the plan, trains all networks with all seeds, and writes the results after each training.

    Args:
        networks: to train.
        write_results: from the sweep, of which some runs are finished, the images, and the folder of the results.

    Returns:
        The finished sweep.
    """
    from keras_resnet.analysis.sweep import plan_sweep, progress, train_all

    source, data_dir = find_source(FLAGS.data_dir, FLAGS.data)

    @functools.lru_cache(maxsize=1)  # the seeds differ in the images that are held out
    def load(recipe: Recipe) -> "Data":
        return keras_resnet.load_data(source, recipe, data_dir=data_dir, download=FLAGS.download)

    data = load(override(recipe_from_flags(), seed=FLAGS.seeds[0]))
    recipe = recipe_from_flags(len(data.train))
    folder = subject.output_folder()
    sweep = plan_sweep(networks, recipe, FLAGS.seeds, data, folder)
    _print_plan(sweep)
    print(f"Runs in {folder}: {progress(sweep)}. If interrupted, repeat the command to resume.")
    unfinished = [planned for planned in sweep if not planned.is_finished]
    for planned in train_all(sweep, load):
        if planned in unfinished or planned is sweep[-1]:
            write_results(sweep, data, folder)
    return sweep


def _print_plan(sweep: "Sequence[PlannedRun]") -> None:
    """Prints a Markdown table with a row for each run."""
    print_table(
        ("run", "parameters", "GFLOPs", "epochs", "done"),
        [
            (
                str(planned),
                f"{planned.parameters:,}",
                f"{planned.multiply_adds / 1e9:.3g}",
                f"{planned.recipe.epochs:g}",
                "finished" if planned.is_finished else f"{len(planned.errors())}",
            )
            for planned in sweep
        ],
    )
