"""The command, or the Python program, that repeats a run."""

import pathlib
import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

from keras_resnet.recipes import RECIPES, Recipe, get_recipe, settings
from keras_resnet.recipes.settings import idle_settings
from keras_resnet.run_directory import Run
from keras_resnet.variants import VARIANTS
from keras_resnet.weights import find_weights, is_hub_address, is_published

PHOTOS = "PHOTOS"  # in a command, for a folder that recipe.json does not record
UNKNOWN = "..."  # in a program, for what recipe.json does not record


class Repetition(NamedTuple):
    """How to repeat a run.

    Attributes:
        program: commands for a shell, or Python.
        notes: sentences on what the run does not record.
    """

    program: str
    notes: list[str]


def how_to_repeat(run: Run) -> Repetition:
    """How to repeat a run, as far as its recipe.json records it: commands, or Python if commands cannot say it.

    Args:
        run: the run directory.

    Raises:
        ValueError: its recipe.json is damaged.

    Example:
        >>> from keras_resnet.reporting.repeat import how_to_repeat
        >>> from keras_resnet.run_directory import Run
        >>> how_to_repeat(Run("runs/cifar")).program  # doctest: +SKIP
        'keras-resnet train --data=cifar10 --model=resnet20_cifar --recipe=cifar_fast --workdir=runs/cifar-again'
    """
    description, recipe = run.read_json("recipe.json"), run.recipe()
    notes = _notes(description)
    if _needs_python(description):
        return Repetition(_python(description, recipe, run), notes)
    lengths = [*description.get("earlier_epochs", []), recipe.epochs]
    images = description["data"].get("train")
    commands = []
    for number, epochs in enumerate(lengths):
        words = ["keras-resnet", *_command(description), *_model_flags(description)]
        words += recipe_flags(recipe, images, epochs=epochs)
        words += [f"--workdir={_again(run)}", *(["--extend"] if number else [])]
        commands.append(_wrapped(words))
    return Repetition("\n".join(commands), notes)


def recipe_flags(recipe: Recipe, images: int | None = None, **changes: Any) -> list[str]:
    """The flags of `keras-resnet train` that select a recipe: the nearest named one, and what differs from it.

    Args:
        recipe: of a run.
        images: number of training images, on which some recipes depend.
        changes: settings in place of the recipe's.

    Example:
        >>> import dataclasses, keras_resnet
        >>> from keras_resnet.reporting.repeat import recipe_flags
        >>> recipe_flags(dataclasses.replace(keras_resnet.RECIPES["cifar_fast"], epochs=5, flip=False))
        ['--recipe=cifar_fast', '--epochs=5', '--noflip']
    """
    target = {**settings(recipe), **changes}
    idle = idle_settings(target)
    differences = {
        name: {
            setting: value
            for setting, value in target.items()
            if setting not in idle and value != getattr(get_recipe(name, images), setting)
        }
        for name in RECIPES
    }
    nearest = min(differences, key=lambda name: len(differences[name]))
    return [f"--recipe={nearest}", *(_flag(name, value) for name, value in differences[nearest].items())]


def _flag(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no{name}"
    values = value if isinstance(value, tuple) else (value,)
    return f"--{name}={','.join(str(number).removesuffix('.0') for number in values)}"


def _wrapped(words: list[str]) -> str:
    """A command with each flag on a line of its own."""
    return " \\\n    ".join([" ".join(words[:2]), *map(shlex.quote, words[2:])])


def _again(run: Run) -> str:
    resolved = run.directory.resolve()
    named = run.directory if run.directory.name == resolved.name else resolved  # "." and ".." are no names
    return str(named.with_name(f"{resolved.name}-again"))


def _needs_python(description: Mapping[str, Any]) -> bool:
    """Whether the run had what no flag can give: images from memory, or a model or objects built in Python."""
    model, start = description["model"], description.get("start", {})
    from_weights = model["name"] in VARIANTS and _is_weights_flag(model["name"], start.get("source"))
    built_in_python = "parameters" in model and not from_weights
    own_objects = description.get("optimizer") or description.get("augmentation")
    from_memory = "data_source" in description and not description["data_source"]
    own_settings = set(_source(description)) - {"source", "data_dir"}
    teacher = description.get("teacher")
    frozen_otherwise = model.get("frozen") and not _is_folder(_source(description)["source"])
    return bool(
        built_in_python
        or own_objects
        or from_memory
        or own_settings
        or frozen_otherwise
        or (teacher and not teacher.get("source"))
    )


def _is_weights_flag(name: str, source: str | None) -> bool:
    """Whether `--weights` takes a source of weights for this variant."""
    if not is_published(source):
        return is_hub_address(source) or (source is not None and pathlib.Path(source).expanduser().is_file())
    try:
        find_weights(name, source)
    except ValueError:
        return False
    return True


def _source(description: Mapping[str, Any]) -> Mapping[str, Any]:
    return description.get("data_source") or {"source": PHOTOS}


def _is_folder(source: str) -> bool:
    return pathlib.PurePath(source).is_absolute() or source == PHOTOS


def _command(description: Mapping[str, Any]) -> list[str]:
    """The command and the flags of its images: `finetune` for frozen layers, which `train` does not have."""
    source, folder = _source(description)["source"], _source(description).get("data_dir")
    if frozen := description["model"].get("frozen"):
        return ["finetune", source, f"--freeze={frozen}"]
    if _is_folder(source):
        return ["train", f"--data_dir={source}"]
    return ["train", f"--data={source}", *([f"--data_dir={folder}"] if folder else [])]


def _model_flags(description: Mapping[str, Any]) -> list[str]:
    weights, teacher = description.get("start", {}).get("source"), description.get("teacher", {}).get("source")
    return [
        f"--model={description['model']['name']}",
        *([f"--weights={weights}"] if weights else []),
        *([f"--teacher={teacher}"] if teacher else []),
    ]


def _python(description: Mapping[str, Any], recipe: Recipe, run: Run) -> str:
    source = description.get("data_source")
    arguments = "".join(f", {name}={value!r}" for name, value in (source or {}).items() if name != "source" and value)
    data = f"keras_resnet.load_data({source['source']!r}, recipe{arguments})" if source else UNKNOWN
    built = "parameters" in description["model"]
    own = [name for name in ("optimizer", "augmentation", "teacher") if description.get(name)]
    return "\n".join(
        [
            "import keras_resnet",
            "",
            f"recipe = keras_resnet.{recipe!r}",
            f"data = {data}",
            f"model = {UNKNOWN if built else repr(description['model']['name'])}",
            *(f"{name} = {UNKNOWN}" for name in own),
            f"options = dict({', '.join(f'{name}={name}' for name in own)})" if own else "options = {}",
            f"keras_resnet.train(model, data, recipe, {_again(run)!r}, **options)",
        ]
    )


def _notes(description: Mapping[str, Any]) -> list[str]:
    model, start = description["model"], description.get("start", {})
    notes = []
    if "data_source" not in description:
        notes.append("This run of an earlier version does not record where its images are; name their folder.")
    elif not description["data_source"]:
        notes.append("The images came from memory: give the same ones.")
    if "parameters" in model:
        weights = f"{model['name']}, whose weights had the checksum {start.get('weights', 'unknown')[:16]}"
        came = f" and came from {start['source']}" if start.get("source") else ""
        notes.append(f"The model was built before the training: {weights}{came}.")
    for name in ("optimizer", "augmentation"):
        if description.get(name):
            notes.append(f"The {name} was the user's own; recipe.json has its configuration.")
    if "earlier_epochs" in description:
        notes.append("The run was extended; where it was interrupted then is not recorded, which matters to the bit.")
    return notes
