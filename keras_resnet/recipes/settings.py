"""The settings of a recipe, and recipes with other settings."""

import dataclasses
from typing import Any

from keras_resnet.errors import check_name
from keras_resnet.recipes.field import checked, unmet_need
from keras_resnet.recipes.recipe import Recipe, settings_of


def setting_fields() -> list[dataclasses.Field]:
    """The fields of `Recipe` that determine the result: all but `source`, `published` and `measured`.

    Example:
        >>> from keras_resnet.recipes import setting_fields
        >>> setting_fields()[1].name, setting_fields()[1].metadata["help"]
        ('batch_size', 'Images per step, over all devices.')
    """
    return settings_of(Recipe)


def setting_groups() -> dict[str, str]:
    """The subject of each field that determines the result, by the field's name.

    Example:
        >>> from keras_resnet.recipes import setting_groups
        >>> setting_groups()["nesterov"]
        'optimizer'
    """
    groups, group = {}, ""
    for field in setting_fields():
        groups[field.name] = group = field.metadata["group"] or group
    return groups


def settings(recipe: Recipe) -> dict[str, Any]:
    """A recipe's values that determine the result, by name: all but `source`, `published` and `measured`.

    Example:
        >>> import keras_resnet.recipes
        >>> keras_resnet.recipes.settings(keras_resnet.Recipe())["batch_size"]
        128
    """
    return {field.name: getattr(recipe, field.name) for field in setting_fields()}


def override(recipe: Recipe, **changes: Any) -> Recipe:
    """The recipe with other settings. Those of the recipe that then have no effect return to their defaults.

    Raises:
        ValueError: as for `Recipe`, also if one of the `changes` is unknown or has no effect.

    Example:
        >>> import keras_resnet.recipes
        >>> steps = keras_resnet.RECIPES["fb2016"]
        >>> keras_resnet.recipes.override(steps, schedule="cosine").milestones
        ()
    """
    fields = {field.name: field for field in setting_fields()}
    for name in changes:
        check_name("setting", name, fields)
    changes = {name: checked(fields[name], value) for name, value in changes.items()}
    return dataclasses.replace(recipe, **{**idle_settings({**settings(recipe), **changes}), **changes})


def idle_settings(values: dict[str, Any]) -> dict[str, Any]:
    """The defaults of the settings that have no effect beside these values of all settings.

    Example:
        >>> import keras_resnet.recipes
        >>> from keras_resnet.recipes.settings import idle_settings
        >>> "milestones" in idle_settings(keras_resnet.recipes.settings(keras_resnet.Recipe(schedule="cosine")))
        True
    """
    fields = {field.name: field for field in setting_fields()}
    return {name: field.default for name, field in fields.items() if unmet_need(field, values, fields)}
