"""Recipes of run directories, also of those that earlier versions wrote."""

from typing import Any

from keras_resnet.recipes.recipe import Recipe
from keras_resnet.recipes.settings import idle_settings, settings

# The names of fields in version 0.1.0, which older run directories contain, and their names now.
RENAMED_FIELDS = {
    "policy": "auto_augment",
    "policy_operations": "randaugment_operations",
    "policy_magnitude": "randaugment_magnitude",
    "erasing": "random_erasing",
    "repeats": "repeated_augmentation",
    "lighting": "pca_lighting",
    "schedule_steps": "milestones",
    "warmup": "warmup_fraction",
    "warmup_rate": "warmup_learning_rate",
    "warmup_error": "warmup_until_error",
    "warmup_depth": "warmup_min_layers",
}


def recipe_from_json(saved: dict[str, Any]) -> Recipe:
    """The recipe that a run directory contains, also one of an earlier version.

    Earlier versions had other names for some fields, and accepted settings that had no effect, which are left out.

    Args:
        saved: the settings by name.

    Raises:
        ValueError: a setting is unknown or out of range.

    Example:
        >>> from keras_resnet.recipes import recipe_from_json
        >>> recipe_from_json({"epochs": 5, "warmup": 0.1, "schedule": "cosine", "milestones": [0.5]})
        Recipe(epochs=5, schedule='cosine', warmup_fraction=0.1)
    """
    values = {RENAMED_FIELDS.get(name, name): value for name, value in saved.items()}
    unknown = values.keys() - settings(Recipe()).keys()
    if unknown:
        raise ValueError(f"The recipe has unknown settings: {', '.join(sorted(unknown))}.")
    if not values.get("milestones") and values.get("schedule") == "steps":
        values["schedule"] = "constant"  # which is the same
    complete = {**settings(Recipe()), **values}
    return Recipe(**{**complete, **idle_settings(complete)})
