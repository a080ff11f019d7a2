"""Packages the weights of a run: writes them, and their row of the table, into this repository.

    python scripts/package_weights.py RUN NAME --data_dir=FOLDER [--commit=COMMIT]

RUN is a run directory, for its final.keras, or a .keras file in one, such as RUN/ema.keras. The weights are written to
keras_resnet/weights/files/NAME.safetensors and evaluated on CIFAR-10's test images; the row "keras_resnet/NAME" of
keras_resnet/weights/packaged.json says how many are right. The run's log.csv, recipe.json and result.json are copied
to results/. NAME starts with the variant: resnet20_cifar.cifar10 is its default, which weights="cifar10" loads, and
resnet20_cifar.cifar10_ema would be another row.
"""

import dataclasses
import json
import pathlib
import shutil
import sys
from typing import TYPE_CHECKING, Any

from absl import flags

import keras_resnet
from keras_resnet.commands import app
from keras_resnet.commands.flags import refuse
from keras_resnet.commands.table import Command
from keras_resnet.files import checksum, write_text
from keras_resnet.recipes import RECIPES, Recipe, settings
from keras_resnet.variants import VARIANTS

if TYPE_CHECKING:
    import keras

    from keras_resnet.run_directory import Run

FLAGS = flags.FLAGS
REPOSITORY = pathlib.Path(__file__).parent.parent
DATA_SET = "cifar10"
LICENCE = "apache-2.0"  # of this package
RECORDS = ("log.csv", "recipe.json", "result.json")
UNCOMMITTED = "-dirty"  # ends the commit of a run whose code had changes


def define_flags() -> None:
    """Defines the flags of this program."""
    flags.DEFINE_string("data_dir", None, "Folder of prepared TFDS data sets.")
    flags.DEFINE_string("commit", None, "Commit that contains the code of the run [the one that the run recorded].")


def main(argv: list[str]) -> None:
    """Packages the weights into this repository."""
    _, run, name = argv
    data = keras_resnet.load_data(DATA_SET, data_dir=FLAGS.data_dir)
    row = package(pathlib.Path(run).expanduser(), name, data, FLAGS.commit)
    print(json.dumps({f"keras_resnet/{name}": row}, indent=2))


def package(
    source: pathlib.Path,
    name: str,
    data: "keras_resnet.Data",
    commit: str | None = None,
    repository: pathlib.Path = REPOSITORY,
) -> dict[str, Any]:
    """Writes the weight file, its row of the table, and the records of the run.

    Args:
        source: the run directory or `.keras` file.
        name: of the file and the row, "variant.tag".
        data: the data set, whose test images are classified.
        commit: the commit with the code of the run; default: the one that the run recorded.
        repository: the folder to write to.

    Returns:
        The row.

    Raises:
        ValueError: the run was trained on other data, the name does not start with its variant, its recipe is not in
            the table, or it recorded no commit, or one with uncommitted changes.
    """
    from keras_resnet.run_directory import Run

    file = source / "final.keras" if source.is_dir() else source
    run = Run(file.parent)
    missing = not (file.is_file() and run.file("recipe.json").is_file())
    refuse([(missing, f"{source} is neither a run directory with a final.keras nor a .keras file in one.")])
    variant, commit = run.read_json("recipe.json")["model"]["name"], commit or recorded_commit(run)
    model = keras_resnet.load_model(file)
    others = model.output_shape != (None, len(data.class_names)) or run_data_set(run) not in (DATA_SET, None)
    refuse([(others, f"{source} was not trained on {DATA_SET}; only such runs are packaged.")])
    refuse([(name.partition(".")[0] != variant, f"The name of weights of {variant} starts with '{variant}.'.")])
    recipe = recipe_name(run.recipe())
    records = f"results/{recipe}/{variant}-seed{run.recipe().seed}"
    folder = repository / "keras_resnet" / "weights"
    weights = folder / "files" / f"{name}.safetensors"
    write(model, weights)
    result = keras_resnet.evaluate(keras_resnet.create_model(variant, weights=weights), data, "test")
    row = {
        "variant": variant,
        "naming": "keras_resnet",
        "file": weights.name,
        "input_size": data.image_shape[0],
        "crop_fraction": 1.0,
        "interpolation": "bilinear",
        "licence": LICENCE,
        "checksum": f"sha256:{checksum(weights)}",
        "classes": len(data.class_names),
        "class_names": DATA_SET,
        "default": name == f"{variant}.{DATA_SET}",
        "training": {
            "recipe": recipe,
            "seed": run.recipe().seed,
            "commit": commit,
            "log": f"{records}/log.csv",
            "correct": result.top1_correct,
            "test_images": result.images,
        },
    }
    copy_records(run, repository / records)
    add_row(folder / "packaged.json", f"keras_resnet/{name}", row)
    return row


def run_data_set(run: "Run") -> str | None:
    """The TFDS name of the data set of a run; None for a file of arrays, as of `train_cifar10_jax.py`."""
    data = run.read_json("recipe.json")["data"]
    return data["name"].partition(" ")[0] if "fingerprints" in data else None


def recorded_commit(run: "Run") -> str:
    """The commit that the run recorded; raises ValueError if there is none, or its code had uncommitted changes."""
    commit = run.read_json("recipe.json")["environment"]["commit"]
    unknown = commit is None or commit.endswith(UNCOMMITTED)
    refuse([(unknown, f"{run.directory} recorded the commit {commit}; give the --commit.")])
    return commit


def recipe_name(recipe: Recipe) -> str:
    """The name of the recipe in the table that has these settings, with any seed."""
    for name, known in RECIPES.items():
        if settings(known) == settings(dataclasses.replace(recipe, seed=known.seed)):
            return name
    raise ValueError("The run's recipe is not one of the table; only such runs are packaged.")


def write(model: "keras.Model", weights: pathlib.Path) -> None:
    """Writes the weights of a model as a packaged file."""
    from keras_resnet.weights.packaging import write_weights

    weights.parent.mkdir(parents=True, exist_ok=True)
    write_weights(model, weights)


def copy_records(run: "Run", folder: pathlib.Path) -> None:
    """Copies the text files that say how the run went, without where its images were."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in RECORDS:
        shutil.copyfile(run.file(name), folder / name)
    recipe = run.read_json("recipe.json")
    recipe.pop("data_source", None)
    type(run)(folder).write_json("recipe.json", recipe)


def add_row(table: pathlib.Path, name: str, row: dict[str, Any]) -> None:
    """Adds a row to the table, or replaces it; a line for each, in the order of the variants."""
    rows = json.loads(table.read_text(encoding="utf-8")) if table.exists() else {}
    rows[name] = row
    ordered = sorted(rows, key=lambda each: (list(VARIANTS).index(rows[each]["variant"]), each))
    lines = (f" {json.dumps(each)}: {json.dumps(rows[each])}" for each in ordered)
    write_text(table, "{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    summary = "Package the weights of a run."
    app.run(Command("__main__", summary, "RUN NAME"), sys.argv)
