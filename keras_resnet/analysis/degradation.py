"""Degradation: whether a deeper network has a higher training error, plain and residual (the paper's Figs. 1, 4, 6)."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from keras_resnet.analysis.paper_networks import Network, paper_network
from keras_resnet.analysis.seeds import CANNOT_TELL, HIGHER, LOWER, Spread, compare, spread
from keras_resnet.analysis.sweep import FinalErrors, PlannedRun

RESIDUAL_SHORTCUT = "A"  # as in these figures: no parameter more than in the plain network


def networks(depths: Sequence[int]) -> list[Network]:
    """The plain and the residual network of each depth, from the shallowest.

    Raises:
        ValueError: the paper has no network of a depth.

    Example:
        >>> from keras_resnet.analysis.degradation import networks
        >>> [network.name for network in networks([20, 56])]
        ['plainnet20_cifar', 'resnet20_cifar', 'plainnet56_cifar', 'resnet56_cifar']
    """
    return [paper_network(depth, shortcut) for depth in sorted(depths) for shortcut in (None, RESIDUAL_SHORTCUT)]


def error_rows(sweep: Sequence[PlannedRun]) -> list[dict[str, Any]]:
    """The errors of all runs, finished or not, after each epoch: the rows of degradation.csv.

    `epoch` is the number of passes over the training images until then; errors are fractions, 0 to 1, of some images;
    losses are mean cross-entropies without weight decay (see `error_log`).
    """
    return [
        {
            **_identity(planned),
            "epoch": min(row["epoch"] + 1, planned.recipe.epochs),
            **{name: row[name] for name in ("training_error", "test_error", "training_loss", "test_loss")},
        }
        for planned in sweep
        for row in planned.errors()
    ]


def final_rows(sweep: Sequence[PlannedRun]) -> list[dict[str, Any]]:
    """The errors of the finished runs on all images, 0 to 1: the rows of degradation_final.csv."""
    finished = [(planned, planned.final_errors()) for planned in sweep if planned.is_finished]
    return [
        {**_identity(planned), "training_error": errors.training, "test_error": errors.test}
        for planned, errors in finished
    ]


def _identity(planned: PlannedRun) -> dict[str, Any]:
    """The columns of both tables that say which run it is."""
    network = planned.network
    return {
        "network": network.name,
        "depth": network.depth,
        "residual": network.shortcut is not None,
        "seed": planned.recipe.seed,
    }


@dataclasses.dataclass(frozen=True)
class Change:
    """The final errors of the shallowest and of the deepest network of a kind, plain or residual, on all images."""

    shallow: Spread
    deep: Spread

    @property
    def direction(self) -> str:
        """Whether the deeper network's error is "higher" or "lower" with every seed, else "cannot tell"."""
        return compare(self.deep, self.shallow)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether depth raises the training error of plain networks, and not that of residual ones.

    Attributes:
        depths: the smallest and the largest.
        epochs: of each run.
        training: the change of the training error of "plain" and "residual" networks.
        test: likewise, of the test error.
    """

    depths: tuple[int, int]
    epochs: float
    training: dict[str, Change]
    test: dict[str, Change]

    def sentences(self) -> list[str]:
        """The verdict in words: plain networks, residual networks, test errors, and the paper's claim."""
        return [self._plain(), self._residual(), self._test(), self._claim()]

    def _training_errors(self, kind: str) -> str:
        shallow, deep = self.depths
        change = self.training[kind]
        if change.direction == CANNOT_TELL:
            compared = f"cannot be told from that of {shallow} layers, {change.shallow.percent()}: the seeds overlap"
        else:
            compared = f"is {change.direction} than that of {shallow} layers, {change.shallow.percent()}"
        return f"{kind.capitalize()}: the training error of {deep} layers, {change.deep.percent()}, {compared}"

    def _plain(self) -> str:
        reasons = {
            HIGHER: ": the deeper network does not overfit, it fits even its training images worse.",
            LOWER: ": no degradation at these depths.",
            CANNOT_TELL: ".",
        }
        return self._training_errors("plain") + reasons[self.training["plain"].direction]

    def _residual(self) -> str:
        reasons = {HIGHER: ": shortcuts do not prevent it here.", LOWER: ": depth helps.", CANNOT_TELL: "."}
        return self._training_errors("residual") + reasons[self.training["residual"].direction]

    def _test(self) -> str:
        shallow, deep = self.depths
        changes = [
            f"{kind} {change.shallow.percent()} with {shallow} layers, {change.deep.percent()} with {deep}"
            for kind, change in self.test.items()
        ]
        return f"Test errors: {'; '.join(changes)}."

    def _claim(self) -> str:
        plain, residual = (self.training[kind].direction for kind in ("plain", "residual"))
        seeds = self.training["plain"].deep.seeds
        basis = f"after {self.epochs:g} epoch{'s' * (self.epochs != 1)}, {seeds} seed{'s' * (seeds > 1)}"
        claim = "The paper's claim that depth hurts plain networks and helps residual ones"
        if (plain, residual) == (HIGHER, LOWER):
            return f"{claim} holds here ({basis})."
        if plain == LOWER or residual == HIGHER:
            return f"{claim} does not hold here ({basis})."
        known = "holds here for plain ones; for residual ones, these runs cannot tell" if plain == HIGHER else ""
        known = known or "cannot be told from these runs; more seeds or epochs may show it"
        return f"{claim} {known} ({basis})."


def verdict(sweep: Sequence[PlannedRun]) -> Verdict:
    """Compares the shallowest and the deepest networks by their final errors on all images.

    Args:
        sweep: the runs of `networks`.

    Raises:
        ValueError: a run is not finished.
    """
    depths = sorted({planned.network.depth for planned in sweep})
    ends = depths[0], depths[-1]

    def errors(kind: str, depth: int, split: str) -> Spread:
        runs = [planned for planned in sweep if (_kind(planned.network), planned.network.depth) == (kind, depth)]
        return spread([getattr(planned.final_errors(), split) for planned in runs])

    changes = {
        split: {kind: Change(*(errors(kind, depth, split) for depth in ends)) for kind in ("plain", "residual")}
        for split in FinalErrors._fields
    }
    return Verdict(ends, sweep[0].recipe.epochs, **changes)


def _kind(network: Network) -> str:
    return "residual" if network.shortcut else "plain"
