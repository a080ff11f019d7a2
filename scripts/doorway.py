"""What the scripts share: flags from a recipe's fields, and errors as one line."""

import dataclasses
import inspect
import os
import re
import sys

from absl import app, flags, logging

# Before TensorFlow starts: its notes about oneDNN and instruction sets would bury the script's own lines.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from keras_resnet.recipes import RECIPES, Recipe, get_recipe, settings

DEFINE = {int: flags.DEFINE_integer, float: flags.DEFINE_float, bool: flags.DEFINE_bool, str: flags.DEFINE_string}
USER_MISTAKES = (ValueError, OSError, ImportError)


def define_recipe_flags(default: str) -> None:
    """--recipe, and a flag for each field of it, which replaces the recipe's value where given."""
    script = sys.argv[0]  # as whose flags --help lists them
    flags.DEFINE_string("recipe", default, f"Training setup, one of: {', '.join(RECIPES)}.", module_name=script)
    comments = dict(re.findall(r"^    (\w+): .*?  # (.*)$", inspect.getsource(Recipe), re.MULTILINE))
    kinds = {field.name: field.type for field in dataclasses.fields(Recipe)}
    for name in settings(Recipe()):
        define = DEFINE.get(kinds[name], flags.DEFINE_list)
        define(name, None, f"{comments[name]} [the recipe's]", module_name=script)


def recipe_from_flags() -> Recipe:
    """The recipe that the command line asks for."""
    given = {name: flags.FLAGS[name].value for name in settings(Recipe()) if flags.FLAGS[name].present}
    if "schedule_steps" in given:
        given["schedule_steps"] = tuple(map(float, given["schedule_steps"]))
    return dataclasses.replace(get_recipe(flags.FLAGS.recipe), **given)


def run(main) -> None:
    """Runs `main(argv)`; a user's mistake ends in one line on stderr and exit code 1."""

    def guarded(argv):
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)  # TFDS tells each file it opens
        try:
            return main(argv)
        except USER_MISTAKES as error:
            sys.exit(f"error: {error}")
        except KeyboardInterrupt:
            sys.exit("interrupted; what was complete is kept")

    app.run(guarded)
