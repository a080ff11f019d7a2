"""Rules for arguments and settings: conditions, each with the text of the error if it does not hold."""

import numbers
import os
from collections.abc import Callable
from typing import Any, NamedTuple

from keras_resnet.errors import shown

LARGEST = 3.4e38  # of float32
LONGEST_NAME = 255  # of a file or folder, bytes


class Rule(NamedTuple):
    """A condition on a value, and the text of the error if it does not hold."""

    holds: Callable[[Any], bool]
    text: str


def _is_number(value: Any) -> bool:
    """Whether a value is a number; NaN and infinity are not."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST  # type: ignore[operator]


def _is_whole(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_path(value: Any) -> bool:
    if not isinstance(value, str | os.PathLike):
        return False
    path = os.fsencode(value)
    return (
        path != b"" and b"\0" not in path and all(len(name) <= LONGEST_NAME for name in path.split(os.fsencode(os.sep)))
    )


NUMBER = Rule(_is_number, "must be a finite number")
NUMBERS = Rule(
    lambda values: isinstance(values, tuple) and all(map(_is_number, values)), "must be a list of finite numbers"
)
WHOLE = Rule(_is_whole, "must be a whole number")
POSITIVE_INTEGER = Rule(lambda value: _is_whole(value) and value > 0, "must be a positive integer")
YES_OR_NO = Rule(lambda value: isinstance(value, bool), "must be True or False")
TEXT = Rule(lambda value: isinstance(value, str), "must be a string")
PATH = Rule(_is_path, "must be a path")

VERBOSE = Rule(lambda value: isinstance(value, str | int) and value in ("auto", 0, 1, 2), "must be 'auto', 0, 1 or 2")

ABOVE_ZERO = Rule(lambda value: value > 0, "must be above 0")
NOT_NEGATIVE = Rule(lambda value: value >= 0, "must not be negative")
FRACTION = Rule(lambda value: 0 <= value <= 1, "must be between 0 and 1")
INCREASING_FRACTIONS = Rule(
    lambda values: list(values) == sorted(values) and all(0 < value < 1 for value in values),
    "must be increasing numbers between 0 and 1",
)


def at_most(high: float) -> Rule:
    """The rule that a number is at most `high`."""
    return Rule(lambda value: value <= high, f"must be at most {high:,}")


def between(low: float, high: float) -> Rule:
    """The rule that a number is between `low` and `high`, both included."""
    return Rule(lambda value: low <= value <= high, f"must be between {low} and {high}")


def below(high: float) -> Rule:
    """The rule that a number is below `high`."""
    return Rule(lambda value: value < high, f"must be below {high}")


def increasing_pair(above: float, high: float) -> Rule:
    """The rule for two numbers in order, above `above` and at most `high`."""
    return Rule(
        lambda pair: len(pair) == 2 and above < pair[0] <= pair[1] <= high,
        f"must be two increasing numbers above {above} and at most {high}",
    )


def equals(expected: Any) -> Rule:
    """The rule that a value is the expected one."""
    return Rule(lambda value: value == expected, f"must be {expected!r}")


def check(name: str, value: Any, *rules: Rule) -> None:
    """Checks a value against rules, in their order.

    Args:
        name: of the argument or setting, for the message.
        value: of any type.
        rules: the first should check the type.

    Raises:
        ValueError: a rule does not hold.

    Example:
        >>> from keras_resnet.rules import ABOVE_ZERO, WHOLE, check
        >>> check("images", 1.5, WHOLE, ABOVE_ZERO)
        Traceback (most recent call last):
        ...
        ValueError: images=1.5 must be a whole number.
    """
    for rule in rules:
        if not rule.holds(value):
            raise ValueError(f"{name}={shown(value)} {rule.text}.")
