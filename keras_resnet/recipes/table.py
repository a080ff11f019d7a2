"""RECIPES: the table of recipes."""

from typing import Any

from keras_resnet.errors import check_name, shown
from keras_resnet.recipes.cifar import CIFAR
from keras_resnet.recipes.fine_tuning import SIZED
from keras_resnet.recipes.imagenet import IMAGENET
from keras_resnet.recipes.recipe import Recipe
from keras_resnet.recipes.settings import override
from keras_resnet.rules import POSITIVE_INTEGER, check

TYPICAL_IMAGES = 1000  # training images for which the table has the recipes that depend on their number
RECIPES: dict[str, Recipe] = {
    **CIFAR,
    **IMAGENET,
    **{name: rule(TYPICAL_IMAGES) for name, rule in SIZED.items()},
}


def get_recipe(recipe: str | Recipe, images: int | None = None, **changes: Any) -> Recipe:
    """The recipe with that name, or a `Recipe`, with other settings if they are given.

    Settings of the recipe that have no effect beside the `changes` return to their defaults, as on the command line.

    Args:
        recipe: a recipe or the name of one.
        images: number of training images, on which "finetune" and "bit_hyperrule" depend. Default: 1,000, as in
            `RECIPES`.
        **changes: settings by name, which replace those of the recipe.

    Raises:
        ValueError: the name of the recipe or of a setting is unknown, and the message suggests similar names; or
            `recipe` is neither; or `images` is not a positive integer; or a setting has another type, is out of range,
            or has no effect beside the others.

    Example:
        >>> import keras_resnet
        >>> keras_resnet.get_recipe("cifar_he2015").milestones
        (0.5, 0.75)
        >>> keras_resnet.get_recipe("cifar_he2015", schedule="cosine", epochs=30).milestones
        ()
    """
    if images is not None:
        check("images", images, POSITIVE_INTEGER)
    found = recipe if isinstance(recipe, Recipe) else _by_name(recipe, images)
    return override(found, **changes) if changes else found


def _by_name(name, images):
    if not isinstance(name, str):
        raise ValueError(f"recipe={shown(name)} must be a Recipe or the name of one.")
    check_name("recipe", name, RECIPES)
    return SIZED[name](images) if images and name in SIZED else RECIPES[name]
