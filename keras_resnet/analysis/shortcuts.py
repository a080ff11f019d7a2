"""Shortcuts A, B, C and none side by side: cost and errors (the paper's section 3.3 and table 3)."""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from keras_resnet.analysis.paper_networks import SHORTCUTS, Network, paper_network
from keras_resnet.analysis.seeds import CANNOT_TELL, Spread, compare, spread
from keras_resnet.analysis.sweep import PlannedRun


class Option(NamedTuple):
    """What a kind of shortcut costs and reaches.

    Attributes:
        shortcut: "A", "B", "C" or "none".
        network: its name.
        parameters: trainable ones.
        multiply_adds: for one image, forward.
        training_error: of the final weights on all training images, 0 to 1.
        test_error: likewise, on all test images.
    """

    shortcut: str
    network: str
    parameters: int
    multiply_adds: int
    training_error: Spread
    test_error: Spread

    def row(self) -> dict[str, Any]:
        """The row of shortcuts.csv: errors as mean, lowest and highest over the seeds."""
        errors = {
            f"{name}{suffix}": getattr(getattr(self, name), part)
            for name in ("training_error", "test_error")
            for suffix, part in (("", "mean"), ("_lowest", "lowest"), ("_highest", "highest"))
        }
        cost = {name: getattr(self, name) for name in ("shortcut", "network", "parameters", "multiply_adds")}
        return {**cost, "seeds": self.test_error.seeds, **errors}


def networks(depth: int) -> list[Network]:
    """The networks of a depth with shortcuts A, B, C and none.

    Raises:
        ValueError: the paper has no network of this depth.

    Example:
        >>> from keras_resnet.analysis.shortcuts import networks
        >>> [network.name for network in networks(20)]
        ['resnet20_cifar', 'resnet20_cifar_b', 'resnet20_cifar_c', 'plainnet20_cifar']
    """
    return [paper_network(depth, shortcut) for shortcut in SHORTCUTS]


def finished_options(sweep: Sequence[PlannedRun]) -> list[Option]:
    """The cost and the errors of each kind of shortcut, over its finished runs; kinds without one are left out.

    Args:
        sweep: the runs of `networks`.
    """
    finished: dict[str, list[PlannedRun]] = {}
    for planned in sweep:
        if planned.is_finished:
            finished.setdefault(planned.network.name, []).append(planned)
    return [_option(runs) for runs in finished.values()]


def _option(runs: Sequence[PlannedRun]) -> Option:
    """The cost and the errors of a network over its finished runs."""
    first, errors = runs[0], [planned.final_errors() for planned in runs]
    return Option(
        first.network.shortcut or "none",
        first.network.name,
        first.parameters,
        first.multiply_adds,
        training_error=spread([found.training for found in errors]),
        test_error=spread([found.test for found in errors]),
    )


def sentences(options: Sequence[Option]) -> list[str]:
    """The verdict in words, by the test errors: each shortcut against none, and against the next cheaper one.

    Args:
        options: of all kinds of shortcuts, in the order of `SHORTCUTS`.
    """
    *shortcuts, plain = options
    seeds = plain.test_error.seeds
    errors = ", ".join(f"{option.shortcut} {option.test_error.percent()}" for option in options)
    against_none = "; ".join(_compared(option, plain) for option in shortcuts)
    steps = "; ".join(_compared(option, cheaper) for cheaper, option in itertools.pairwise(shortcuts))
    return [
        f"Test errors over {seeds} seed{'s' * (seeds > 1)}: {errors}.",
        f"The paper finds A, B and C all better than none. Here: {against_none}.",
        f"It finds B slightly better than A, and C than B. Here: {steps}.",
    ]


def _compared(option: Option, other: Option) -> str:
    """An option's test error against that of another one, in words."""
    result = compare(option.test_error, other.test_error)
    if result == CANNOT_TELL:
        return f"{option.shortcut} cannot be told from {other.shortcut}"
    points = 100 * abs(option.test_error.mean - other.test_error.mean)
    return f"{option.shortcut} is {points:.2f} points {result} than {other.shortcut}"
