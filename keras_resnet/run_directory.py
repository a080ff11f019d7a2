"""TODO run_directory."""

import csv
import io
import json
import pathlib
import platform
import shutil
import subprocess
import tempfile
from importlib import metadata

import keras

from keras_resnet.errors import first_line
from keras_resnet.files import SCRATCH, write_text
from keras_resnet.recipes import RENAMED_FIELDS, Recipe
from keras_resnet.transforms.views import View

BEFORE_RECIPE = ("checkpoints", "labels.txt")
PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "tensorflow-datasets", "numpy")


class Run:
    """One run directory.

    Args:
        directory: its path; it need not exist.

    Example:
        >>> import keras_resnet.run_directory
        >>> keras_resnet.run_directory.Run("some_run").file("log.csv").name
        'log.csv'
    """

    # What of recipe.json must be equal for a run to be resumed; the rest is a record.
    IDENTITY = ("model", "recipe", "augmentation", "data")

    def __init__(self, directory):
        self.directory = pathlib.Path(directory).expanduser()

    def file(self, name: str) -> pathlib.Path:
        """The path of a file in the directory."""
        return self.directory / name

    def check(self, description: dict) -> bool:
        """Whether the directory holds a begun run of this description; writes nothing that stays.

        Raises:
            FileExistsError: it holds something else; says what differs.
            OSError: it cannot be made or written to.
        """
        if self.directory.exists() and not self.directory.is_dir():
            raise FileExistsError(f"workdir {self.directory} is a file; choose another name.")
        self._check_writable()
        if not self.file("recipe.json").exists():
            if self._strangers():
                raise FileExistsError(f"workdir {self.directory} holds other files and no run; choose an empty folder.")
            return False
        before = self.read_json("recipe.json")
        if not all(isinstance(before.get(part), dict) for part in self.IDENTITY):
            raise ValueError(f"{self.file('recipe.json')} is damaged or of another program; choose another workdir.")
        renamed = sorted({*before["recipe"]} & {*RENAMED_FIELDS})
        if renamed:
            raise FileExistsError(
                f"workdir {self.directory} holds a run of an earlier version, whose recipe has other field "
                f"names ({', '.join(renamed)}): evaluation and prediction can use it, but it cannot be resumed; choose another "
                "workdir."
            )
        now = json.loads(json.dumps(description))
        differences = [
            f"{part}.{key}: {before[part].get(key)} there, {now[part].get(key)} asked"
            for part in self.IDENTITY
            for key in sorted({*before[part], *now[part]})
            if before[part].get(key) != now[part].get(key)
        ]
        if differences:
            raise FileExistsError(
                f"workdir {self.directory} holds another run ({'; '.join(differences)}). "
                "Choose another workdir, or delete that one."
            )
        return True

    def _strangers(self):
        """What lies in the directory but for what `create` makes before recipe.json, should it be killed there."""
        paths = self.directory.iterdir() if self.directory.exists() else ()
        return [path for path in paths if path.name not in BEFORE_RECIPE and not path.name.startswith(SCRATCH)]

    def _check_writable(self):
        folder = self.directory
        while not folder.exists():
            folder = folder.parent
        try:
            with tempfile.TemporaryDirectory(dir=folder, prefix=".writable-"):
                pass
        except OSError as error:
            raise type(error)(f"workdir {self.directory} cannot be written to ({error.strerror}).") from error

    def sweep(self) -> None:
        """Removes what a process that was killed in the middle of a write has left."""
        for place in (self.directory, self.file("checkpoints")):
            for scratch in place.glob(f"{SCRATCH}*"):
                shutil.rmtree(scratch, ignore_errors=True)

    def create(self, description: dict, class_names) -> None:
        """Makes the directory with recipe.json and labels.txt. recipe.json comes last: it makes it a run."""
        self.file("checkpoints").mkdir(parents=True, exist_ok=True)
        write_text(self.file("labels.txt"), "".join(f"{name}\n" for name in class_names))
        self.write_json("recipe.json", {**description, "environment": environment()})

    def read_json(self, name: str) -> dict:
        """The content of a JSON file of the run.

        Raises:
            ValueError: the file is damaged.
        """
        try:
            return json.loads(self.file(name).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{self.file(name)} is damaged ({error}).") from error

    def write_json(self, name: str, content: dict) -> None:
        """Writes a JSON file of the run atomically."""
        write_text(self.file(name), json.dumps(content, indent=2) + "\n")

    def recipe(self) -> Recipe:
        """The recipe that the run was trained with."""
        settings = self.read_json("recipe.json")["recipe"]
        return Recipe(
            **{
                RENAMED_FIELDS.get(name, name): tuple(value) if isinstance(value, list) else value
                for name, value in settings.items()
            }
        )

    def class_names(self) -> list[str]:
        """The lines of labels.txt."""
        return self.file("labels.txt").read_text(encoding="utf-8").splitlines()

    def log(self) -> list[dict[str, float]]:
        """The rows of log.csv, as numbers; none if there is no log yet."""
        if not self.file("log.csv").exists():
            return []
        with open(self.file("log.csv"), newline="", encoding="utf-8") as file:
            return [
                {key: int(value) if key == "epoch" else float(value) for key, value in row.items()}
                for row in csv.DictReader(file)
            ]

    def write_log(self, rows: list[dict[str, float]]) -> None:
        """Writes log.csv atomically; every row has the columns of the first."""
        content = io.StringIO(newline="")
        writer = csv.DictWriter(content, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.file("log.csv"), content.getvalue())


def environment() -> dict:
    """Python, machine, package versions and commit: a record, to explain a difference by."""
    versions = {}
    for package in PACKAGES:
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
    """The package's git commit, with "-dirty" behind it where files differ; None outside a checkout."""
    folder = pathlib.Path(__file__).parent
    describe = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(describe, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def load_model(run) -> keras.Model:
    """The model of a run directory (its best.keras, or final.keras where there is no best) or of a `.keras` file.

    Raises:
        FileNotFoundError: no such run or file.
        ValueError: the file is damaged.

    Example:
        >>> import keras_resnet
        >>> keras_resnet.ResNet20Cifar().save("net.keras")
        >>> keras_resnet.load_model("net.keras").name
        'resnet20_cifar'
    """
    return _load(run)[0]


def _load(run):
    """(model, class names or None, view or None)."""
    path = pathlib.Path(run).expanduser()
    if path.is_dir():
        path = next((path / name for name in ("best.keras", "final.keras") if (path / name).is_file()), path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is neither a run directory with a best.keras or final.keras nor a model file.")
    directory = Run(path.parent)
    names = directory.class_names() if directory.file("labels.txt").is_file() else None
    try:
        return keras.saving.load_model(path, compile=False), names, _view_of(directory)
    except Exception as error:  # Keras raises whatever its zip, JSON and HDF5 readers do
        raise ValueError(f"{path} cannot be loaded as a Keras model ({first_line(error)}).") from error


def _view_of(run):
    """What the model of a run was tested on, or None where there is no run."""
    if not run.file("recipe.json").is_file():
        return None
    view = run.read_json("recipe.json")["data"]["view"]
    return View(**{**view, "size": tuple(view["size"])})
