"""Recipes: training setups. `Recipe` has the settings, `RECIPES` is the table of those with a name."""

from keras_resnet.recipes.fine_tuning import SIZED
from keras_resnet.recipes.recipe import Recipe
from keras_resnet.recipes.saved import RENAMED_FIELDS, recipe_from_json
from keras_resnet.recipes.schedule import image_size_at, rate_factor
from keras_resnet.recipes.settings import override, setting_fields, setting_groups, settings
from keras_resnet.recipes.table import RECIPES, get_recipe

__all__ = [
    "RECIPES",
    "RENAMED_FIELDS",
    "SIZED",
    "Recipe",
    "get_recipe",
    "image_size_at",
    "override",
    "rate_factor",
    "recipe_from_json",
    "setting_fields",
    "setting_groups",
    "settings",
]
