"""The command that repeats a run, parsed by the flags of the command that it names."""

import ast
import dataclasses
import pathlib
import shlex

import pytest
from absl import flags

import keras_resnet
from keras_resnet import RECIPES, Recipe
from keras_resnet.commands import train
from keras_resnet.commands.flags import recipe_from_flags
from keras_resnet.recipes import get_recipe
from keras_resnet.reporting.repeat import how_to_repeat, recipe_flags
from keras_resnet.run_directory import Run
from keras_resnet.weights import find_weights
from tests.commands.running import unchanged_process
from tests.reporting.runs import RECIPE, changed, write_run


def parsed(arguments, images):
    """The recipe that `keras-resnet train` trains with, and its flags by name."""
    with unchanged_process():
        train.define_flags()
        assert flags.FLAGS(["keras-resnet train", *arguments]) == ["keras-resnet train"]
        train.complete_flags()
        values = {
            name: flags.FLAGS[name].value for name in ("model", "data", "data_dir", "workdir", "weights", "extend")
        }
        return recipe_from_flags(images), values


@pytest.mark.parametrize("name", RECIPES)
def test_flags_of_each_recipe_select_it(name):
    recipe = get_recipe(name, 5000)
    assert recipe_flags(recipe, 5000) == [f"--recipe={name}"]
    changes = dataclasses.replace(recipe, epochs=3.5, seed=7, flip=not recipe.flip, crop_fraction=0.9)
    assert parsed(recipe_flags(changes, 5000), 5000)[0] == changes


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(),
        RECIPE,
        Recipe(schedule="steps", milestones=(1 / 3, 0.75), optimizer="adamw", mixup=0.2),
        Recipe(image_size=32, early_sizes=(16, 24), size_milestones=(0.25, 0.6), learning_rate=1e-4),
        Recipe(schedule="plateau", plateau_patience=3, validation_fraction=0.1, weight_decay=2e-5),
    ],
)
def test_flags_of_any_recipe_select_it(recipe):
    assert parsed(recipe_flags(recipe), None)[0] == recipe


def words(command, name="train"):
    program, *arguments = shlex.split(command.replace("\\\n", " "))
    assert (program, arguments[0]) == ("keras-resnet", name)
    return arguments[1:]


def test_the_command_of_a_run_selects_its_model_images_and_recipe(tmp_path):
    run = write_run(tmp_path / "my run", 4)
    program, notes = how_to_repeat(run)
    recipe, values = parsed(words(program), 160)
    assert recipe == RECIPE
    assert values == {
        "model": "resnet20_cifar",
        "data": "cifar10",
        "data_dir": "/data/tfds",
        "workdir": str(tmp_path / "my run-again"),
        "weights": None,
        "extend": False,
    }
    assert notes == []


def test_a_folder_and_published_weights_are_flags(tmp_path):
    assert find_weights("resnet18", "imagenet")
    model = {"name": "resnet18", "parameters": 11, "trainable": 10}
    start = {"weights": "0123456789abcdef0123", "source": "imagenet"}
    run = write_run(tmp_path / "run", 4, model=model, start=start, data_source={"source": "/data/photos"})
    program, notes = how_to_repeat(run)
    _, values = parsed(words(program), 160)
    assert (values["model"], values["weights"], values["data_dir"]) == ("resnet18", "imagenet", "/data/photos")
    assert len(notes) == 1
    assert "checksum 0123456789abcdef and came from imagenet" in notes[0]


def test_frozen_layers_are_a_flag_of_finetune(tmp_path):
    model = {"name": "resnet18", "parameters": 11, "trainable": 10, "frozen": "stage2"}
    start = {"weights": "0123456789abcdef0123", "source": "imagenet"}
    parts = dict(model=model, start=start)
    run = write_run(tmp_path / "run", 4, **parts, data_source={"source": "/data/my photos"})
    photos, freeze, *others = words(how_to_repeat(run).program, "finetune")
    assert (photos, freeze) == ("/data/my photos", "--freeze=stage2")
    recipe, values = parsed(others, 160)
    assert (recipe, values["weights"]) == (RECIPE, "imagenet")
    in_python = how_to_repeat(write_run(tmp_path / "other", 4, **parts)).program  # of CIFAR-10
    assert "model = ..." in in_python.splitlines()


def test_a_data_set_with_a_configuration_is_no_folder(tmp_path):
    run = write_run(tmp_path / "run", 4, data_source={"source": "imagenette/320px-v2", "data_dir": "/data/tfds"})
    _, values = parsed(words(how_to_repeat(run).program), 160)
    assert (values["data"], values["data_dir"]) == ("imagenette/320px-v2", "/data/tfds")


def test_the_working_directory_can_be_a_run(tmp_path, monkeypatch):
    write_run(tmp_path / "run", 4)
    monkeypatch.chdir(tmp_path / "run")
    for name in (".", "../run", "../run/."):
        _, values = parsed(words(how_to_repeat(Run(name)).program), 160)
        assert pathlib.Path(values["workdir"]).resolve() == tmp_path / "run-again"


def test_an_extended_run_has_a_command_for_each_length(tmp_path):
    run = write_run(tmp_path / "run", 4, earlier_epochs=[1, 2.5])
    commands = how_to_repeat(run).program.replace("\\\n", " ").splitlines()
    found = [parsed(words(command), 160) for command in commands]
    assert [recipe.epochs for recipe, _ in found] == [1, 2.5, 4]
    assert [values["extend"] for _, values in found] == [False, True, True]


@pytest.mark.parametrize(
    ("parts", "lines"),
    [
        (dict(data_source={}), ["data = ...", "model = 'resnet20_cifar'", "options = {}"]),
        (
            dict(model={"name": "own", "parameters": 3, "trainable": 3}, start={"weights": "ab", "source": None}),
            ["data = keras_resnet.load_data('cifar10', recipe, data_dir='/data/tfds')", "model = ..."],
        ),
        (
            dict(optimizer={"class_name": "Adam"}, augmentation={"class_name": "RandomFlip"}),
            ["optimizer = ...", "augmentation = ...", "options = dict(optimizer=optimizer, augmentation=augmentation)"],
        ),
    ],
)
def test_what_flags_cannot_say_is_python(parts, lines, tmp_path):
    program, notes = how_to_repeat(write_run(tmp_path / "run", 4, **parts))
    ast.parse(program)
    for line in lines:
        assert line in program.splitlines()
    (recipe,) = (line for line in program.splitlines() if line.startswith("recipe = "))
    assert eval(recipe.removeprefix("recipe = "), {"keras_resnet": keras_resnet}) == RECIPE
    assert notes


def test_an_earlier_version_did_not_record_where_the_images_are(tmp_path):
    run = write_run(tmp_path / "run", 4)
    changed(run, data_source=None)
    program, notes = how_to_repeat(run)
    assert parsed(words(program), 160)[1]["data_dir"] == "PHOTOS"
    assert "does not record where its images are" in notes[0]
