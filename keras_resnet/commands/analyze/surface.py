"""Draws the loss around the weights of models, along filter-normalized random directions."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from absl import flags

from keras_resnet.commands.analyze import subject
from keras_resnet.commands.flags import FLAGS, group
from keras_resnet.reporting.surface_plots import plot_profiles, plot_surfaces

if TYPE_CHECKING:
    from keras_resnet.analysis.loss_surface import Surface

IMAGES = 500


def define_flags() -> None:
    """Defines the flags of the command."""
    subject.define_image_flags(IMAGES, split="train")
    with group("run"):
        flags.DEFINE_float(
            "radius", 1.0, "Largest step to each side, in norms of the filters.", lower_bound=1e-6, upper_bound=100
        )
        flags.DEFINE_integer("points", 15, "Points of each side of the grid; an odd number.", lower_bound=3)
        flags.DEFINE_integer("seed", 0, "Random seed of the two directions.", lower_bound=0)
    subject.define_output_flag()


def check_flags() -> None:
    """Refuses flags that are out of range."""
    if FLAGS.points % 2 == 0:
        raise ValueError(f"--points={FLAGS.points} must be odd, so that one point is the model itself.")


class Measured(NamedTuple):
    """The surface of a model, and the loss of guessing."""

    surface: "Surface"
    guessing: float


def main(argv: list[str]) -> None:
    """Measures, writes surface.csv, surface.png and profile.png, and prints what was found."""
    models = subject.labeled(argv[1:])
    folder = subject.output_folder(argv[1])
    found = {label: _measured(name) for label, name in models.items()}
    surfaces = {name: measured.surface for name, measured in found.items()}
    subject.write_table(folder / "surface.csv", [row for name, of in surfaces.items() for row in _rows(name, of)])
    steps = next(iter(surfaces.values())).steps
    losses = {name: surface.loss for name, surface in surfaces.items()}
    profiles = {name: surface.profile() for name, surface in surfaces.items()}
    subject.write_picture(folder / "surface.png", lambda path: plot_surfaces(steps, losses, path))
    subject.write_picture(folder / "profile.png", lambda path: plot_profiles(steps, profiles, path))
    for name, measured in found.items():
        print(_summary(name, *measured))
    print(
        "Li et al. 2018: around plain networks of 20 layers, the loss is as smooth as with shortcuts; around those of "
        "56 layers, it has many minima and steep walls, and with shortcuts it stays smooth."
    )


def _measured(name: str) -> Measured:
    from keras_resnet.analysis.loss_surface import loss_surface
    from keras_resnet.analysis.scores import guessing_loss, sample_for

    data = subject.data_from_flags(name)
    model = subject.model_for(name, data)
    images = sample_for(model, data, subject.split_from_flags(data), FLAGS.images)
    surface = loss_surface(model, images, FLAGS.radius, FLAGS.points, FLAGS.seed, verbose="auto")
    return Measured(surface, guessing_loss(model))


def _rows(name: str, surface: "Surface") -> Iterable[dict]:
    for row, first in enumerate(surface.steps):
        for column, second in enumerate(surface.steps):
            yield {
                "network": name,
                "step_1": f"{first:g}",
                "step_2": f"{second:g}",
                "loss": f"{surface.loss[row, column]:.6g}",
                "error_percent": f"{surface.error[row, column]:.2f}",
            }


def _summary(name: str, surface: "Surface", guessing: float) -> str:
    radius = surface.steps[-1]
    below = 100 * surface.share_below(guessing)
    return (
        f"{name}: loss {surface.center.loss:.4f} at its weights, at most {surface.loss.max():.3g} within {radius:g} "
        f"norms of each filter, below that of guessing ({guessing:.2f}) at {below:.0f} % of the points; local minima "
        f"on the grid: {surface.minima()}."
    )
