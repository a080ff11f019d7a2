"""Fields of a recipe: each with its help text, rules or choices for its values, and when it has an effect."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from keras_resnet.errors import check_name
from keras_resnet.rules import NUMBER, NUMBERS, TEXT, WHOLE, YES_OR_NO, Rule, check

KINDS: dict[Any, Rule] = {float: NUMBER, int: WHOLE, bool: YES_OR_NO, str: TEXT, tuple[float, ...]: NUMBERS}


class Need(NamedTuple):
    """What another setting must be for a field to have an effect."""

    setting: str
    rule: Rule


def setting(
    default: Any,
    help: str,
    *rules: Rule,
    choices: tuple[str, ...] = (),
    needs: tuple[str, Rule] | None = None,
    group: str | None = None,
) -> Any:
    """A field of `Recipe`: its default, help text, rules or choices for its values, and when it has an effect.

    `group` is the subject of this field and of those after it, up to the next one with a group.
    """
    need = Need(*needs) if needs else None
    metadata = {"help": help, "rules": rules, "choices": choices, "needs": need, "group": group}
    return dataclasses.field(default=default, metadata=metadata)


def checked(field: dataclasses.Field, value: Any) -> Any:
    """A field's value in plain Python.

    Raises:
        ValueError: it has another type, or is out of range or unknown.
    """
    value = _plain(value)
    check(f"recipe: {field.name}", value, KINDS[field.type])
    if field.metadata["choices"]:
        check_name(field.name, value, field.metadata["choices"])
    check(f"recipe: {field.name}", value, *field.metadata["rules"])
    return value


def _plain(value: Any) -> Any:
    """A setting's value with NumPy's numbers as Python's and lists as tuples: frozen, and writable as JSON."""
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(map(_plain, value))
    return value.item() if isinstance(value, np.generic) else value


def unmet_need(field: dataclasses.Field, values: dict[str, Any], fields: dict[str, dataclasses.Field]) -> Need | None:
    """What another setting must be for a field to have an effect beside these values; None if it has one.

    A field that needs another one also needs what that one needs.
    """
    need = field.metadata["needs"]
    if need is None:
        return None
    return unmet_need(fields[need.setting], values, fields) if need.rule.holds(values[need.setting]) else need
