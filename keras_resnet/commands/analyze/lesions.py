"""Removes, swaps and shuffles the blocks of trained networks, and measures the accuracy that remains."""

from collections.abc import Collection, Iterable
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from absl import flags

from keras_resnet.commands.analyze import subject
from keras_resnet.commands.flags import FLAGS, group
from keras_resnet.reporting.lesions_plots import Points, plot_lesions

if TYPE_CHECKING:
    from keras_resnet.analysis.chain import Chain
    from keras_resnet.analysis.lesions import Lesion
    from keras_resnet.analysis.scores import Score

IMAGES = 2000


class Measured(NamedTuple):
    """The lesions of one network and their scores."""

    chain: "Chain"
    scores: "list[tuple[Lesion, Score]]"

    def errors(self, kind: str) -> "list[tuple[Lesion, float]]":
        """The lesions of a kind with their errors, percent."""
        return [(lesion, score.error) for lesion, score in self.scores if lesion.kind == kind]

    def median(self, kind: str) -> float:
        """The median error of a kind of lesion, percent."""
        return median(error for _, error in self.errors(kind))

    @property
    def intact(self) -> float:
        """The error without a lesion, percent."""
        return self.median("none")

    @property
    def is_residual(self) -> bool:
        """Whether the blocks have shortcuts."""
        return self.chain.links[0].block.shortcut is not None


def define_flags() -> None:
    """Defines the flags of the command."""
    subject.define_image_flags(IMAGES)
    with group("run"):
        flags.DEFINE_integer("draws", 5, "Random choices for each number of removed or swapped blocks.", lower_bound=1)
    subject.define_output_flag()


def main(argv: list[str]) -> None:
    """Measures, writes lesions.csv and lesions.png, and prints what was found."""
    models = subject.labeled(argv[1:])
    folder = subject.output_folder(argv[1])
    found = {label: _measured(name) for label, name in models.items()}
    subject.write_table(folder / "lesions.csv", [row for name, of in found.items() for row in _rows(name, of)])
    errors = {name: _points(measured) for name, measured in found.items()}
    intact = {name: measured.intact for name, measured in found.items()}
    guessing = max(100 - 100 / measured.chain.model.output_shape[1] for measured in found.values())
    subject.write_picture(folder / "lesions.png", lambda path: plot_lesions(errors, intact, guessing, path))
    for name, measured in found.items():
        print(_summary(name, measured))
    print(_verdict(found.values()))


def _measured(name: str) -> Measured:
    from keras_resnet.analysis.chain import Chain
    from keras_resnet.analysis.lesions import score_lesions, standard_lesions
    from keras_resnet.analysis.scores import sample_for

    data = subject.data_from_flags(name)
    model = subject.model_for(name, data)
    images = sample_for(model, data, subject.split_from_flags(data), FLAGS.images)
    chain = Chain(model)
    lesions = standard_lesions(chain, FLAGS.draws)
    scores = score_lesions(chain, images, lesions, verbose="auto")
    return Measured(chain, list(zip(lesions, scores, strict=True)))


def _rows(name: str, measured: Measured) -> Iterable[dict]:
    for lesion, score in measured.scores:
        yield {
            "network": name,
            "lesion": lesion.kind,
            "count": lesion.count,
            "blocks": _names(measured.chain, lesion.changed),
            "loss": f"{score.loss:.4f}",
            "error_percent": f"{score.error:.2f}",
        }


def _names(chain: "Chain", numbers: Iterable[int]) -> str:
    return " ".join(chain.links[number].block.name for number in numbers)


def _points(measured: Measured) -> dict[str, Points]:
    """What the picture shows, by its panels; blocks count from 1."""
    by_block = {
        kind: [(min(lesion.changed) + 1, error) for lesion, error in measured.errors(kind)]
        for kind in ("removal", "swap")
    }
    by_count = {
        panel: [(lesion.count, error) for kind in kinds for lesion, error in measured.errors(kind)]
        for panel, kinds in {"removals": ("removal", "removals"), "shuffle": ("shuffle",)}.items()
    }
    return {**by_block, **by_count}


def _summary(name: str, measured: Measured) -> str:
    removed = measured.errors("removal")
    blocks = len(measured.chain.links)
    whole = f"all {blocks} blocks" if blocks > 1 else "its one block"
    parts = [f"{name}: error {measured.intact:.2f} % with {whole}"]
    if removed:
        worst, error = max(removed, key=lambda pair: pair[1])
        one = f"one of {len(removed)} blocks" if len(removed) > 1 else "one block"
        parts.append(
            f"without {one} {measured.median('removal'):.2f} % in the median and at worst {error:.2f} % "
            f"({_names(measured.chain, worst.changed)})"
        )
    if measured.errors("swap"):
        parts.append(f"with two neighbors swapped {measured.median('swap'):.2f} % in the median")
    return "; ".join(parts) + "."


def _verdict(found: Collection[Measured]) -> str:
    """Whether one block fewer costs a residual network less than a plain one."""
    claim = (
        "Veit et al. 2016: without one of many blocks, a residual network errs little more, and a plain one guesses."
    )
    residual, plain = (_costs(found, is_residual) for is_residual in (True, False))
    if not (residual and plain):
        return claim
    answer = "less" if max(residual) < min(plain) else "not less"
    return (
        f"{claim} Here, one block fewer costs a residual network {answer}: {subject.span(residual, '.1f')} points of "
        f"error in the median, against {subject.span(plain, '.1f')} (plain)."
    )


def _costs(found: Iterable[Measured], is_residual: bool) -> list[float]:
    """The median cost of one block, for each network that is residual or is not, in points of percent."""
    return [
        measured.median("removal") - measured.intact
        for measured in found
        if measured.is_residual == is_residual and measured.errors("removal")
    ]
