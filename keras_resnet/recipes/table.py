"""RECIPES: the table of recipes."""

from keras_resnet.errors import check_name, shown
from keras_resnet.recipes.cifar import CIFAR
from keras_resnet.recipes.fine_tuning import SIZED
from keras_resnet.recipes.imagenet import IMAGENET
from keras_resnet.recipes.recipe import Recipe
from keras_resnet.rules import POSITIVE_INTEGER, check

TYPICAL_IMAGES = 1000  # training images for which the table has the recipes that depend on their number
RECIPES: dict[str, Recipe] = {
    **CIFAR,
    **IMAGENET,
    **{name: rule(TYPICAL_IMAGES) for name, rule in SIZED.items()},
}


def get_recipe(recipe: str | Recipe, images: int | None = None) -> Recipe:
    """The recipe with that name; a `Recipe` is returned unchanged.

    Args:
        recipe: a recipe or the name of one.
        images: number of training images, on which "finetune" and "bit_hyperrule" depend. Default: 1,000, as in
            `RECIPES`.

    Raises:
        ValueError: the name is unknown, and the message suggests similar names; or `recipe` is neither; or `images` is
            not a positive integer.

    Example:
        >>> import keras_resnet
        >>> keras_resnet.get_recipe("cifar_he2015").milestones
        (0.5, 0.75)
    """
    if images is not None:
        check("images", images, POSITIVE_INTEGER)
    if isinstance(recipe, Recipe):
        return recipe
    if not isinstance(recipe, str):
        raise ValueError(f"recipe={shown(recipe)} must be a Recipe or the name of one.")
    check_name("recipe", recipe, RECIPES)
    return SIZED[recipe](images) if images and recipe in SIZED else RECIPES[recipe]
