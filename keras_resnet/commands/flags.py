"""Flags of several commands, and the recipe and data source that they select. Defining them needs no TensorFlow."""

import contextlib
import pathlib
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from absl import flags

from keras_resnet.choices import ON_BAD_IMAGE
from keras_resnet.errors import unknown_name
from keras_resnet.recipes import RECIPES, Recipe, get_recipe, override, setting_fields, setting_groups, settings
from keras_resnet.variants import VARIANTS

if TYPE_CHECKING:
    from keras_resnet.data import Data

FLAGS = flags.FLAGS
# The subjects of flags, in the order of --help.
GROUPS = (
    "run",
    "data",
    "model",
    "network",
    "schedule",
    "optimizer",
    "loss",
    "fine-tuning",
    "augmentation",
    "test view",
    "devices",
    "limits",
    "other",
)
VIEW_SETTINGS = ("image_size", "crop_fraction", "interpolation")  # of a recipe: what the model sees of a test image


class NumbersParser(flags.ArgumentParser):
    """Numbers, separated by commas.

    Args:
        number: function that converts the text of one: float or int.

    Example:
        >>> from keras_resnet.commands.flags import NumbersParser
        >>> NumbersParser(float).parse("0.5,0.75")
        (0.5, 0.75)
    """

    def __init__(self, number: Callable[[Any], Any]) -> None:
        self.number = number
        self.syntactic_help = f"{'integers' if number is int else 'numbers'} separated by commas"

    def parse(self, argument: Any) -> tuple:
        """The numbers of a text, or of a sequence of numbers."""
        parts = argument.split(",") if isinstance(argument, str) and argument else argument
        return tuple(map(self.number, parts))

    def flag_type(self) -> str:
        """As --help names the values."""
        return self.syntactic_help


class NumbersSerializer(flags.ArgumentSerializer):
    """The text that `NumbersParser` reads."""

    def serialize(self, value: tuple) -> str:
        """Numbers, separated by commas."""
        return ",".join(f"{number:g}" for number in value)


def define_numbers(name: str, default: Any, text: str, number: Callable[[Any], Any] = float) -> None:
    """Defines a flag whose values are numbers, separated by commas."""
    flags.DEFINE(NumbersParser(number), name, default, text, serializer=NumbersSerializer())


DEFINE: dict[Any, Callable] = {
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    bool: flags.DEFINE_bool,
    str: flags.DEFINE_string,
    tuple[float, ...]: define_numbers,
}


@contextlib.contextmanager
def group(name: str) -> Iterator[None]:
    """Puts the flags that are defined in this context into one of the `GROUPS`."""
    others = set(FLAGS)
    yield
    for flag in set(FLAGS) - others:
        FLAGS.register_key_flag_for_module(name, FLAGS[flag])  # absl's own groups of flags are modules


def define_setting_flags(names: Iterable[str], otherwise: str = "") -> None:
    """Defines a flag for each of these settings of a recipe; `override_settings` reads their values.

    Args:
        names: of the fields of `Recipe`, whose metadata give help text, choices and group.
        otherwise: what holds without the flags; for help texts.
    """
    fields = {field.name: field for field in setting_fields()}
    for name in names:
        choices, text = fields[name].metadata["choices"], fields[name].metadata["help"]
        text += f" [{otherwise}]" if otherwise else ""
        with group(setting_groups()[name]):
            if choices:
                flags.DEFINE_enum(name, None, choices, text)
            else:
                DEFINE[fields[name].type](name, None, text)


def override_settings(recipe: Recipe) -> Recipe:
    """The recipe with the settings that are given as flags.

    Raises:
        ValueError: a value is outside its range.
    """
    return override(recipe, **_given(settings(recipe)))


def _given(names: Iterable[str]) -> dict[str, Any]:
    """The values of those of these flags that are defined, and given on the command line."""
    return {name: FLAGS[name].value for name in names if name in FLAGS and FLAGS[name].present}


def define_recipe_flags(default: str, without: Collection[str] = ()) -> None:
    """Defines --recipe, and a flag for each setting of a recipe.

    Args:
        default: name of the recipe to use without --recipe.
        without: settings that have no flag.
    """
    with group("run"):
        flags.DEFINE_string("recipe", default, f"Training setup: {', '.join(RECIPES)}.")
    define_setting_flags(name for name in settings(Recipe()) if name not in without)


def default_to_recipe() -> None:
    """Makes the values of the selected recipe the defaults of its flags.

    Raises:
        ValueError: the recipe is unknown.
    """
    for name, value in settings(get_recipe(FLAGS.recipe)).items():
        if name in FLAGS:
            FLAGS.set_default(name, value)


def recipe_from_flags(images: int | None = None) -> Recipe:
    """The recipe that the command line selects, with the settings that it overrides.

    Args:
        images: number of training images, once it is known, on which some recipes depend.

    Raises:
        ValueError: the recipe is unknown, or a value is outside its range.
    """
    return override_settings(get_recipe(FLAGS.recipe, images))


def define_unreadable_image_flags() -> None:
    """Defines --max_bad_images and --on_bad_image."""
    with group("data"):
        flags.DEFINE_integer(
            "max_bad_images",
            None,
            "Maximum number of unreadable images before stopping [1 in 1,000, at least 10].",
            lower_bound=0,
        )
        flags.DEFINE_enum("on_bad_image", "skip", ON_BAD_IMAGE, "How to handle unreadable images.")


def unreadable_image_options() -> dict[str, Any]:
    """The values of --max_bad_images and --on_bad_image, as keyword arguments."""
    return {name: FLAGS[name].value for name in ("max_bad_images", "on_bad_image")}


def define_data_flags(default: str | None, otherwise: str = "~/tensorflow_datasets") -> None:
    """Defines --data_dir and --data; `find_source` reads their values.

    Args:
        default: TFDS data set to use without --data.
        otherwise: where the images are without --data_dir; for the help text.
    """
    with group("data"):
        flags.DEFINE_string(
            "data_dir", None, f"Folder of photos, record set, or folder of TFDS data sets [{otherwise}]."
        )
        flags.DEFINE_string("data", default, "Name of the TFDS data set, such as cifar10, in a folder of them.")


def define_model_data_flags() -> None:
    """Defines --data_dir and --data for commands that take a trained model; `data_for` reads their values."""
    define_data_flags(default="cifar10", otherwise="the images of the run, else ~/tensorflow_datasets")


def data_for(model: str, recipe: Recipe) -> "Data":
    """The images of --data_dir and --data; without these flags, those of the run.

    Args:
        model: run directory, `.keras` file, weights or variant, as on the command line.
        recipe: how images are resized and cropped, with the settings that are given as flags.

    Raises:
        FileNotFoundError: the images are not where they should be.
        ValueError: the run does not record where its images are.
    """
    from keras_resnet.data.loading import load_data
    from keras_resnet.run_directory import run_of

    run = run_of(model)
    if run and not _given(("data_dir", "data")):
        return run.data(recipe, **_given(VIEW_SETTINGS))
    source, data_dir = find_source(FLAGS.data_dir, FLAGS.data)
    return load_data(source, recipe, data_dir=data_dir)


def define_download_flag() -> None:
    """Defines --download, for commands that train."""
    with group("data"):
        flags.DEFINE_bool("download", False, "Let TFDS download the data set if it is not in data_dir.")


def find_source(data_dir: str | None, name: str) -> tuple[str | pathlib.Path, pathlib.Path | None]:
    """The arguments (source, data_dir) of `load_data`.

    Args:
        data_dir: a folder of photos or a record set, which is the source itself; or a folder of TFDS data sets; or None
            for TFDS's default folder.
        name: of the TFDS data set.

    Raises:
        ValueError: one of them is empty.

    Example:
        >>> from keras_resnet.commands.flags import find_source
        >>> find_source(None, "cifar10")
        ('cifar10', None)
    """
    from keras_resnet.data.records import MANIFEST
    from keras_resnet.runtimes.decoding import SUFFIXES

    refuse([(data_dir == "", "--data_dir is empty."), (not name, "--data is empty.")])
    if data_dir is None:
        return name, None
    folder = pathlib.Path(data_dir).expanduser()
    is_split_or_record_set = any((folder / entry).exists() for entry in ("train", MANIFEST))
    if is_split_or_record_set or any(path.suffix.lower() in SUFFIXES for path in folder.glob("*/*")):
        return folder, None
    return name, folder


def refuse(conditions: Iterable[tuple[object, str]]) -> None:
    """Raises the sentence of the first condition that holds.

    Args:
        conditions: pairs of a condition and the sentence that says what to do.

    Raises:
        ValueError: a condition holds.

    Example:
        >>> from keras_resnet.commands.flags import refuse
        >>> refuse([(1 > 2, "One is too large.")])
    """
    for holds, sentence in conditions:
        if holds:
            raise ValueError(sentence)


def unknown_model(name: str) -> ValueError:
    """The error for a name that is neither a path, an id of weights nor a variant, with suggestions."""
    from keras_resnet.weights.pretrained import list_weights  # imports Keras

    return unknown_name("run directory, .keras file, weights, or variant", name, [*VARIANTS, *list_weights()])
