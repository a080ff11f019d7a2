"""The run directory: what one training run leaves, and all that prediction and resuming need.

recipe.json      model, recipe, data and the environment: all that determines the result
labels.txt       a class name a line, in the order of the model's outputs
log.csv          a row an epoch
bad_images.tsv   images that could not be read, if any, with the reason
tensorboard/     the same as TensorBoard events
checkpoints/     what resuming needs
best.keras       the model of the epoch with the best validation accuracy
final.keras      the model at the end
result.json      the accuracy on the test images
curves.png, report.html
"""

import csv
import io
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import metadata

from keras_resnet.recipes import Recipe

SCRATCH = ".writing-"  # how the folders begin that files are written in before they get their name
BEFORE_RECIPE = ("checkpoints", "labels.txt")
PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "tensorflow-datasets", "numpy")


def bar_shown(verbose) -> int:
    """1 where `verbose` asks for a progress bar; "auto" asks for one on a terminal."""
    return int(sys.stdout.isatty() if verbose == "auto" else bool(verbose))


def write_atomically(path: pathlib.Path, write: Callable[[str], None]) -> None:
    """Calls `write(scratch)` with a scratch path of the same suffixes, then renames that to `path`.

    A reader, or a crash at any moment, sees the old file or the new one whole.
    """
    path = pathlib.Path(path)
    suffixes = "".join(path.suffixes)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=SCRATCH) as folder:
            scratch = os.path.join(folder, f"file{suffixes}")
            write(scratch)
            _to_disk(scratch)
            os.replace(scratch, path)
            _to_disk(path.parent)  # the new name, too, survives a power cut
    except OSError as error:
        raise type(error)(f"{path} cannot be written ({error.strerror or error}); what was there is kept.") from error


def _to_disk(path):
    """Waits until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes a text file atomically."""
    write_atomically(path, lambda scratch: pathlib.Path(scratch).write_text(text, encoding="utf-8"))


class Run:
    """One run directory.

    Args:
        directory: its path; it need not exist.

    Example:
        >>> import keras_resnet.runs
        >>> keras_resnet.runs.Run("some_run").file("log.csv").name
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
        return Recipe(**{name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()})

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
