"""Builds a deeper network that equals a trained one, and trains it on; and the same network from scratch."""

import dataclasses
import pathlib
from typing import TYPE_CHECKING, NamedTuple

from absl import flags

import keras_resnet
from keras_resnet.commands.analyze import subject
from keras_resnet.commands.flags import FLAGS, define_numbers, define_setting_flags, group, override_settings, refuse
from keras_resnet.files import write_atomically
from keras_resnet.recipes import Recipe, get_recipe, override
from keras_resnet.reporting.construction_plots import plot_construction

if TYPE_CHECKING:
    import keras

    from keras_resnet.analysis.samples import Sample
    from keras_resnet.analysis.scores import Score
    from keras_resnet.data import Data

IMAGES = 1000
TIMES = 3  # as many blocks: ResNet-56 from ResNet-20
RECIPE = "cifar_quick"  # of models without a run directory
SETTINGS = ("learning_rate", "batch_size", "seed")
Rows = list[dict[str, float]]  # of epochs, as `ScoreLog.rows` returns them


class Network(NamedTuple):
    """A network with its depths, and its scores in inference and, as in training, with the statistics of batches."""

    model: "keras.Model"
    depths: list[int]
    score: "Score"
    batch_score: "Score"


def define_flags() -> None:
    """Defines the flags of the command."""
    subject.define_image_flags(IMAGES, split="train")
    with group("network"):
        define_numbers(
            "depths", None, f"Number of blocks of each stage [{TIMES} times as many as RUN has].", number=int
        )
    with group("schedule"):
        flags.DEFINE_float(
            "epochs", 0.0, "Epochs to train the deeper network from both starts; 0 for no training.", lower_bound=0
        )
    define_setting_flags(SETTINGS, otherwise=f"the run's, else of {RECIPE}")
    subject.define_output_flag()


def check_flags() -> None:
    """Refuses flags that are out of range or have no effect."""
    given = [f"--{name}" for name in SETTINGS if FLAGS[name].present]
    refuse(
        [
            (any(depth < 1 for depth in FLAGS.depths or ()), "--depths must be above 0."),
            (given and not FLAGS.epochs, f"{' and '.join(given)}: only with --epochs, to train."),
        ]
    )
    if FLAGS.epochs:
        override_settings(Recipe())


def main(argv: list[str]) -> None:
    """Constructs, compares and trains; writes tables, constructed.keras and, with --epochs, two run directories."""
    import keras

    from keras_resnet.analysis.construction import deeper
    from keras_resnet.analysis.scores import sample_for

    name = argv[1]
    data, recipe = subject.data_from_flags(name), _recipe(name)
    folder = subject.output_folder(name)
    model = subject.model_for(name, data)
    images = sample_for(model, data, subject.split_from_flags(data), FLAGS.images)
    keras.utils.set_random_seed(recipe.seed)
    depths = FLAGS.depths or [TIMES * depth for depth in _depths(model)]
    constructed = _scored(deeper(model, depths, images.images), images)
    given = _scored(model, images)
    write_atomically(folder / "constructed.keras", constructed.model.save)
    subject.write_table(folder / "construction.csv", [_row("given", given), _row("constructed", constructed)])
    print(_comparison(given, constructed, len(images.labels)))
    if FLAGS.epochs:
        curves = _trained(constructed.model, data, recipe, images, folder)
        rows = [{"start": start, **row} for start, of_start in curves.items() for row in of_start]
        subject.write_table(folder / "construction_training.csv", rows)
        level = {"loss": given.batch_score.loss, "error": given.batch_score.error}
        subject.write_picture(folder / "construction.png", lambda path: plot_construction(curves, level, path))
        print(_verdict(curves, level["loss"]))


def _recipe(name: str) -> Recipe:
    """The training setup: that of the run, or one for images as `subject.data_from_flags` loads them."""
    from keras_resnet.run_directory import run_of

    run, default = run_of(name), get_recipe(RECIPE)
    recipe = run.recipe() if run else dataclasses.replace(default, validation_fraction=0.0, per_pixel_mean=False)
    if not FLAGS.epochs:
        return recipe
    # Both networks train all their layers on the labels; one of them starts from random weights.
    return override(override_settings(recipe), unfreeze_milestones=(), frozen_statistics=False, distillation_weight=0.0)


def _depths(model: "keras.Model") -> list[int]:
    """The number of blocks of each stage."""
    from keras_resnet.analysis.blocks import find_blocks, stages_of
    from keras_resnet.analysis.graph import flattened

    return [len(stage) for stage in stages_of(find_blocks(flattened(model)))]


def _scored(model: "keras.Model", images: "Sample") -> Network:
    from keras_resnet.analysis.scores import scorer

    return Network(model, _depths(model), scorer(model, images)(), scorer(model, images, training=True)())


def _row(name: str, network: Network) -> dict:
    return {
        "network": name,
        "blocks": "-".join(map(str, network.depths)),
        "parameters": network.model.count_params(),
        "loss": f"{network.score.loss:.8f}",
        "error_percent": f"{network.score.error:.2f}",
        "loss_with_batch_statistics": f"{network.batch_score.loss:.8f}",
        "error_percent_with_batch_statistics": f"{network.batch_score.error:.2f}",
    }


def _comparison(given: Network, constructed: Network, images: int) -> str:
    difference = abs(constructed.score.loss - given.score.loss)
    return (
        f"{given.model.name} with {sum(given.depths)} blocks has the loss {given.score.loss:.6f} on {images} images, "
        f"the network constructed from it with {sum(constructed.depths)} blocks {constructed.score.loss:.6f} "
        f"(difference {difference:.1e}). With the statistics of batches, as in training: {given.batch_score.loss:.6f} "
        f"and {constructed.batch_score.loss:.6f}."
    )


def _trained(
    constructed: "keras.Model", data: "Data", recipe: Recipe, images: "Sample", folder: pathlib.Path
) -> dict[str, Rows]:
    """Trains the constructed network, and one like it from scratch; returns the scores by the name of the start."""
    import keras

    from keras_resnet.analysis.score_log import ScoreLog
    from keras_resnet.analysis.scores import scorer
    from keras_resnet.models.model import recursion_limit
    from keras_resnet.run_directory import Run

    keras.utils.set_random_seed(recipe.seed)
    with recursion_limit():
        from_scratch = keras.models.clone_model(constructed)
    for layer in from_scratch.layers:  # also those that are frozen in the given network
        layer.trainable = True
    curves = {}
    for start, model in (("constructed", constructed), ("from scratch", from_scratch)):
        run = Run(folder / start.replace(" ", "_"))
        log = ScoreLog(run, scorer(model, images, training=True))
        keras_resnet.train(model, data, recipe, run.directory, callbacks=[log])
        curves[start] = log.rows()
    return curves


def _verdict(curves: dict[str, Rows], given: float) -> str:
    ends = {start: rows[-1]["loss"] for start, rows in curves.items()}
    reached = {start: "reaches" if loss <= given else "does not reach" for start, loss in ends.items()}
    return (
        "He et al. 2015: solvers find no solutions as good as the constructed one for deep plain networks. After "
        f"{FLAGS.epochs:g} epochs, training from the constructed solution {reached['constructed']} the loss of the "
        f"given network ({ends['constructed']:.4f} against {given:.4f}, with batch statistics), and from scratch "
        f"{reached['from scratch']} it ({ends['from scratch']:.4f})."
    )
