"""What the subjects of `keras-resnet analyze` share: models and images from the command line, and files of results."""

import logging
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from absl import flags

import keras_resnet
from keras_resnet.choices import SPLITS
from keras_resnet.commands.flags import FLAGS, data_for, define_model_data_flags, group, refuse, unknown_model
from keras_resnet.files import write_atomically, write_errors_explained, write_rows
from keras_resnet.recipes import Recipe
from keras_resnet.variants import VARIANTS

if TYPE_CHECKING:
    import keras

    from keras_resnet.data import Data

logger = logging.getLogger(__name__)


def define_output_flag() -> None:
    """Defines --output."""
    with group("run"):
        flags.DEFINE_string("output", None, "Folder for numbers and pictures [RUN/analysis, else ./analysis].")


def define_image_flags(images: int, split: str | None = None) -> None:
    """Defines --data_dir, --data, --split and --images; `data_from_flags` reads the first two.

    Args:
        images: number of images to analyze on.
        split: default of --split; None for the first of test, validation and train.
    """
    define_model_data_flags()
    with group("data"):
        flags.DEFINE_enum("split", split, SPLITS, "Images to analyze on [the first of test, validation, train].")
        flags.DEFINE_integer("images", images, "Number of images.", lower_bound=1)


def open_model(name: str) -> "keras.Model":
    """The model of a run, a `.keras` file or weights, or a variant with random weights for CIFAR or ImageNet images.

    Raises:
        ValueError: it is none of these.
    """
    check_is_model(name)
    return keras_resnet.create_model(name) if is_variant(name) else keras_resnet.load_model(name)


def check_is_model(name: str) -> None:
    """Refuses what is neither a run with a model, a model file, an id of weights nor a variant."""
    from keras_resnet.run_directory import model_file
    from keras_resnet.weights.pretrained import variant_of

    path = pathlib.Path(name).expanduser()
    if path.exists():
        model_file(path)
    elif not variant_of(name) and name not in VARIANTS:
        raise unknown_model(name)


def labeled(models: Sequence[str]) -> dict[str, str]:
    """Models from the command line by short names for legends and tables; by their paths if short names are the same.

    Raises:
        ValueError: one is neither a run directory, a `.keras` file, weights nor a variant, or is named twice.
    """
    for name in models:
        check_is_model(name)
        refuse([(models.count(name) > 1, f"{name} is named twice.")])
    short = [label(name) for name in models]
    return dict(zip(short if len(set(short)) == len(short) else models, models, strict=True))


def is_variant(name: str) -> bool:
    """Whether a model from the command line is a variant, which has random weights."""
    return name in VARIANTS and not pathlib.Path(name).expanduser().exists()


def model_for(name: str, data: "Data") -> "keras.Model":
    """The model of a run, a `.keras` file or weights; or a variant for these images with always the same weights.

    Raises:
        ValueError: it is none of these, or takes images of another shape.
    """
    import keras

    from keras_resnet.evaluation.checks import check_takes_images

    if is_variant(name):
        keras.utils.set_random_seed(0)
        return keras_resnet.create_model(name, input_shape=data.test_shape, classes=len(data.class_names))
    model = open_model(name)
    check_takes_images(model, data, data.test_shape)
    return model


def data_from_flags(model: str) -> "Data":
    """The images of --data_dir and --data; without these flags, those of the run.

    Args:
        model: run directory, `.keras` file, weights or variant, as on the command line.

    Raises:
        FileNotFoundError: the images are not where they should be.
        ValueError: the run does not record where its images are.
    """
    from keras_resnet.run_directory import recipe_of

    check_is_model(model)
    recipe = None if is_variant(model) else recipe_of(model)
    return data_for(model, recipe or Recipe())


def split_from_flags(data: "Data") -> str:
    """The value of --split, or the first split that exists of test, validation and train.

    Raises:
        ValueError: the data have no such split.
    """
    from keras_resnet.evaluation.checks import checked_split

    return checked_split(data, FLAGS.split)


def output_folder(model: str | None = None) -> pathlib.Path:
    """The folder of --output, made if it is missing; by default in the run directory that is analyzed."""
    path = pathlib.Path(model or "").expanduser()
    default = path / "analysis" if model and path.is_dir() else pathlib.Path("analysis")
    folder = pathlib.Path(FLAGS.output).expanduser() if FLAGS.output else default
    with write_errors_explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def label(model: str) -> str:
    """A short name of a model on the command line, for legends: the last part of its path.

    Matplotlib leaves names that begin with an underscore out of legends.
    """
    path = pathlib.Path(model)
    name = path.stem if path.suffix == ".keras" else path.name or path.resolve().name  # "." has no name
    return name.lstrip("_") or name


def span(values: Sequence[float], form: str = ".3g") -> str:
    """The smallest and the largest value in words.

    Example:
        >>> from keras_resnet.commands.analyze.subject import span
        >>> span([1.0, 3.0, 2.0]), span([1.0])
        ('1 to 3', '1')
    """
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} to {high}"


def remove_results(folder: pathlib.Path, pattern: str) -> None:
    """Removes the files of an earlier analysis that this one might not write again.

    Args:
        folder: of results.
        pattern: of the files' names, as for `pathlib.Path.glob`.
    """
    for path in folder.glob(pattern):
        path.unlink()


def write_table(path: pathlib.Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes rows with the same keys as CSV, and logs the path."""
    write_rows(path, rows)
    logger.info("Wrote %s.", path)


def write_picture(path: pathlib.Path, draw: Callable[[str], object]) -> None:
    """Writes a picture by a function of a path, and logs the path. Without matplotlib it says what is left out."""
    try:
        write_atomically(path, draw)
    except ImportError:
        logger.warning("Left out %s, which needs matplotlib (pip install 'resnet-keras[plots]').", path.name)
    else:
        logger.info("Wrote %s.", path)
