"""Run directories: what a run writes, and all that predict, evaluate, export and resume need."""

import csv
import json
import os
import pathlib
import platform
import subprocess
import zipfile
from collections.abc import Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any, NamedTuple

import keras

from keras_resnet.errors import first_line
from keras_resnet.files import remove_scratch, write_rows, write_text
from keras_resnet.models.constructors import create_model
from keras_resnet.models.model import Model
from keras_resnet.recipes import Recipe, recipe_from_json
from keras_resnet.rules import PATH, check
from keras_resnet.runtimes.metadata import LABELS_FILE, SAVED_MODEL_FILE, VIEW_FILE, Metadata, metadata_in_zip
from keras_resnet.runtimes.outputs import SIGNATURE, the_input, the_probabilities
from keras_resnet.view import View
from keras_resnet.weights.hdf5 import read_config
from keras_resnet.weights.pretrained import find_weights, variant_of

if TYPE_CHECKING:
    from keras_resnet.data.loading import Data

KERAS_FILES = ("best.keras", "final.keras")  # of a run, the first that exists is its model
RECORDED_PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "tensorflow-datasets", "numpy")


class Run:
    """One run directory.

    Args:
        directory: its path; it need not exist.

    Example:
        >>> import keras_resnet.run_directory
        >>> keras_resnet.run_directory.Run("some_run").file("log.csv").name
        'log.csv'
    """

    def __init__(self, directory: str | os.PathLike):
        self.directory = pathlib.Path(directory).expanduser()

    def file(self, name: str) -> pathlib.Path:
        """The path of a file in the directory."""
        return self.directory / name

    def remove_scratch(self) -> None:
        """Removes the scratch folders of a process that was killed while it wrote a file."""
        for folder in (self.directory, self.file("checkpoints")):
            remove_scratch(folder)

    def read_json(self, name: str) -> dict[str, Any]:
        """The content of a JSON file of the run.

        Raises:
            ValueError: the file is damaged.
        """
        try:
            content = json.loads(self.file(name).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{self.file(name)} is damaged ({error}).") from error
        if not isinstance(content, dict):
            raise ValueError(f"{self.file(name)} is damaged (it is no JSON object).")
        return content

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Writes a JSON file of the run atomically."""
        write_text(self.file(name), json.dumps(content, indent=2) + "\n")

    def recipe(self) -> Recipe:
        """The recipe of the run, also of one that an earlier version wrote.

        Raises:
            ValueError: recipe.json is damaged, or has settings that this version does not know.
        """
        saved = self.read_json("recipe.json")
        try:
            return recipe_from_json(saved["recipe"])
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            reason = f"it has no {error}" if isinstance(error, KeyError) else first_line(error)
            raise ValueError(
                f"{self.file('recipe.json')} is damaged, or of another version of this package ({reason})."
            ) from error

    def class_names(self) -> list[str]:
        """The lines of labels.txt."""
        return self.file(LABELS_FILE).read_text(encoding="utf-8").splitlines()

    def view(self) -> View:
        """The part of an image, and its size, that the run's model is tested on."""
        return View.from_json(self.read_json("recipe.json")["data"]["view"])

    def data(self, recipe: Recipe | None = None, **changed: Any) -> "Data":
        """The images that the run was trained and tested on, which must be where they were.

        Args:
            recipe: in place of the run's.
            changed: arguments of `load_data`, such as `image_size`, in place of those that the run records.

        Raises:
            FileNotFoundError: they are not there.
            ValueError: the run does not record where they are.
        """
        from keras_resnet.data.loading import load_data

        found = self.read_json("recipe.json").get("data_source")
        if not found:
            raise ValueError(f"The run {self.directory} does not record where its images are; name their folder.")
        return load_data(**{**found, **changed}, recipe=recipe or self.recipe())

    def log(self, name: str = "log.csv") -> list[dict[str, float]]:
        """The rows of log.csv, or of another log, as numbers; an empty list if there is no log yet.

        Raises:
            ValueError: the file is damaged.
        """
        if not self.file(name).exists():
            return []
        try:
            with self.file(name).open(newline="", encoding="utf-8") as file:
                rows = [_numbers(row) for row in csv.DictReader(file)]
            epochs = [row["epoch"] for row in rows]
        except (ValueError, TypeError, KeyError, csv.Error) as error:
            raise ValueError(f"{self.file(name)} is damaged ({first_line(error)}).") from None
        if epochs != sorted(set(epochs)):
            raise ValueError(f"{self.file(name)} is damaged (its epochs are not in order).")
        return rows

    def write_log(self, rows: list[dict[str, float]], name: str = "log.csv") -> None:
        """Writes log.csv, or another log, atomically; every row has the columns of the first."""
        write_rows(self.file(name), rows)


def _numbers(row):
    """A row of log.csv with its texts as numbers."""
    return {key: int(value) if key == "epoch" else float(value) for key, value in row.items()}


def environment() -> dict[str, Any]:
    """Python version, machine, package versions and commit, recorded to explain differences between runs."""
    versions = {}
    for package in RECORDED_PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "packages": versions,
        "commit": _commit(),
    }


def _commit():
    """The package's git commit, with the suffix "-dirty" if files are modified; None outside a checkout."""
    here = pathlib.Path(__file__)
    tracked = ["ls-files", "--error-unmatch", here.name]  # fails for a package installed inside another repository
    describe = ["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        for command in (tracked, describe):
            words = ["git", "-C", str(here.parent), *command]
            output = subprocess.run(words, capture_output=True, text=True, check=True, timeout=10).stdout
        return output.strip()
    except (OSError, subprocess.SubprocessError):
        return None


class SavedModel(NamedTuple):
    """A model with what the files beside it say.

    Attributes:
        model: the model.
        class_names: of its outputs; None without a labels.txt beside the model.
        view: what it was tested on; None without a recipe.json beside the model.
        exported: the metadata in a `.keras` file that `export` wrote; None for other models.
    """

    model: keras.Model
    class_names: Sequence[str] | None = None
    view: View | None = None
    exported: Metadata | None = None


def load_model(run: str | os.PathLike) -> keras.Model:
    """Loads the model of a run directory (best.keras, or without it final.keras), a `.keras` file or a SavedModel.

    An id from `list_weights()` stands for its variant with these weights, which are downloaded unless they come with
    this package. A file or folder of the same name comes first.

    The model of a SavedModel folder can predict, but not be trained or inspected: its one layer calls the folder's
    signature `serving_default`, which must have one batch of images as input, and one output or `probabilities`.

    Raises:
        FileNotFoundError: there is no such run, file or weights.
        OSError: the weights cannot be downloaded.
        ValueError: the file is damaged, or `run` is not a path.

    Example:
        >>> import keras_resnet
        >>> keras_resnet.ResNet20Cifar().save("net.keras")
        >>> keras_resnet.load_model("net.keras").name
        'resnet20_cifar'
        >>> keras_resnet.load_model("keras_resnet/resnet20_cifar.cifar10").class_names[:2]
        ('airplane', 'automobile')
    """
    return load_saved_model(run).model


def run_of(model: str | os.PathLike) -> Run | None:
    """The run directory that a path is, or whose file it is; None for other paths and for ids of weights.

    Example:
        >>> from keras_resnet.run_directory import run_of
        >>> run_of("runs/cifar/final.keras").directory.name  # doctest: +SKIP
        'cifar'
    """
    path = pathlib.Path(model).expanduser()
    run = Run(path if path.is_dir() else path.parent)
    return run if path.exists() and run.file("recipe.json").is_file() else None


def recipe_of(model: str | os.PathLike) -> Recipe | None:
    """The recipe by whose settings a model is tested: that of its run, or one with the view of its file or weights.

    Args:
        model: what `load_model` takes.

    Returns:
        The recipe; None if the model has no view.

    Example:
        >>> import keras_resnet
        >>> keras_resnet.run_directory.recipe_of("timm/resnet50.a1_in1k").image_size
        288
    """
    run = run_of(model)
    if run:
        return run.recipe()
    view = _view_of(model)
    return recipe_with(view) if view else None


def recipe_with(view: View) -> Recipe:
    """A recipe whose test images have this view.

    Example:
        >>> from keras_resnet.run_directory import recipe_with
        >>> from keras_resnet.view import View
        >>> recipe_with(View((160, 160), 0.95)).image_size
        160
    """
    return Recipe(image_size=min(view.size), crop_fraction=view.crop_fraction, interpolation=view.interpolation)


def _view_of(model: str | os.PathLike) -> View | None:
    """The view of a model file, a SavedModel or an id of weights, without loading it; None if it has none."""
    path, variant = pathlib.Path(model).expanduser(), variant_of(str(model))
    if variant and not path.exists():
        return find_weights(variant, str(model)).view
    path = model_file(path)
    if path.name == SAVED_MODEL_FILE:
        return _served_view(Run(path.parent))
    if exported := metadata_in_zip(path):
        return exported.view
    try:
        view = read_config(path, None).get("view")
        return View.from_json(view) if view else None
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError):
        return None  # of a damaged file, which `load_model` explains


def has_keras_model(run: str | os.PathLike) -> bool:
    """Whether a folder is a run directory with a model."""
    return any((pathlib.Path(run).expanduser() / name).is_file() for name in KERAS_FILES)


def load_saved_model(run: str | os.PathLike) -> SavedModel:
    """Loads a model as `load_model`, with the class names and the view of the files beside it.

    Raises:
        FileNotFoundError: there is no such run, file or weights.
        OSError: the weights cannot be downloaded.
        ValueError: the file is damaged.
    """
    check("run", run, PATH)
    path = pathlib.Path(run).expanduser()
    variant = variant_of(str(run))
    if variant and not path.exists():
        return SavedModel(create_model(variant, weights=str(run)))
    path = model_file(path)
    folder = Run(path.parent)
    try:
        class_names = folder.class_names() if folder.file(LABELS_FILE).is_file() else None
        if path.name == SAVED_MODEL_FILE:
            return SavedModel(_served_model(path.parent), class_names, _served_view(folder))
        view = folder.view() if folder.file("recipe.json").is_file() else None
        if path.suffix == ".keras" and not zipfile.is_zipfile(path):
            raise ValueError("it is not a zip archive")  # Keras would not find the file
        model, exported = keras.saving.load_model(path, compile=False), metadata_in_zip(path)
        if exported:
            return SavedModel(model, exported.class_names, exported.view, exported)
        return SavedModel(model, class_names, view)
    except Exception as error:  # Keras raises the errors of its zip, JSON and HDF5 readers
        raise ValueError(f"{path} cannot be loaded as a Keras model ({first_line(error)}).") from error


def model_file(path: pathlib.Path) -> pathlib.Path:
    """The file of a model: `path` itself, or the best one in a run directory or SavedModel folder.

    Raises:
        FileNotFoundError: there is none.
    """
    files = (path / name for name in (*KERAS_FILES, SAVED_MODEL_FILE)) if path.is_dir() else (path,)
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        raise FileNotFoundError(
            f"{path} is neither a run directory with a best.keras or final.keras, nor a SavedModel, nor a model file, "
            "nor an id of weights."
        )
    return file


def _served_view(folder: Run) -> View | None:
    """The view in a SavedModel's folder, if it has one."""
    return View.from_json(folder.read_json(VIEW_FILE)) if folder.file(VIEW_FILE).is_file() else None


def _served_model(folder: pathlib.Path) -> keras.Model:
    """A model of the signature `serving_default` of a SavedModel."""
    import tensorflow as tf

    signature = tf.saved_model.load(str(folder)).signatures[SIGNATURE]
    name, spec = the_input(list(signature.structured_input_signature[1].items()))
    images = keras.Input(batch_shape=spec.shape, dtype=spec.dtype.name, name=name)
    layer = keras.layers.TFSMLayer(str(folder), call_endpoint=SIGNATURE)
    return Model(images, the_probabilities(layer(images)), name=folder.name)
