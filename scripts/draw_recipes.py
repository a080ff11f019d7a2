"""Draws what recipes do: their learning rates and image sizes, and for each recipe a batch of augmented images.

    python scripts/draw_recipes.py FOLDER --data_dir=PHOTOS [--recipes=goyal2017,fast16] [--image_size=128]

Writes FOLDER/schedules.png and FOLDER/batch-RECIPE.png. Needs matplotlib: the extra `plots`.
"""

import pathlib
import sys

from absl import flags

import keras_resnet
from keras_resnet.commands import app
from keras_resnet.commands.flags import refuse
from keras_resnet.commands.table import Command
from keras_resnet.recipes import RECIPES, Recipe, get_recipe, override

FLAGS = flags.FLAGS
IMAGES = 32  # of a batch


def define_flags() -> None:
    """Defines the flags of this program."""
    flags.DEFINE_string("data_dir", None, "Folder of photos, or record set.")
    flags.DEFINE_list("recipes", None, f"Names of recipes: {', '.join(RECIPES)} [those for photos].")
    flags.DEFINE_integer("image_size", 128, "Height and width of the images, pixels.", lower_bound=8)


def check_flags() -> None:
    """Refuses unknown recipes and a missing folder of photos."""
    refuse([(not FLAGS.data_dir, "Give a --data_dir with photos.")])
    refuse([(not pathlib.Path(FLAGS.data_dir).expanduser().is_dir(), f"--data_dir: no folder {FLAGS.data_dir}.")])
    for name in FLAGS.recipes or ():
        get_recipe(name)


def main(argv: list[str]) -> None:
    """Draws the pictures."""
    from keras_resnet.reporting.recipe_plots import plot_schedules

    folder = pathlib.Path(argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    names = FLAGS.recipes or [name for name, recipe in RECIPES.items() if recipe.crop != "center"]
    recipes = {name: get_recipe(name) for name in names}
    plot_schedules(recipes, folder / "schedules.png")
    for name, recipe in recipes.items():
        draw_batch(recipe, folder / f"batch-{name}.png")
    print(f"Wrote schedules.png and {len(recipes)} batches to {folder}.")


def draw_batch(recipe: Recipe, path: pathlib.Path) -> None:
    """Draws the first training batch of a recipe, at one size."""
    from keras_resnet.data.batches import training_batches
    from keras_resnet.reporting.recipe_plots import plot_batch

    small = override(recipe, image_size=FLAGS.image_size, batch_size=IMAGES, early_sizes=(), size_milestones=())
    data = keras_resnet.load_data(f"{FLAGS.data_dir}/", small)
    images, labels = next(iter(training_batches(data.train, small, classes=len(data.class_names))))
    plot_batch(images.numpy(), labels.numpy(), data.class_names, path)


if __name__ == "__main__":
    summary = "Draw the learning rates, image sizes and augmented batches of recipes."
    app.run(Command("__main__", summary, "FOLDER"), sys.argv)
