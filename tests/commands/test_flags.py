"""The commands' flags, in one process."""

import importlib

import pytest
from absl import flags

import keras_resnet
from keras_resnet import choices
from keras_resnet.commands.flags import GROUPS, define_recipe_flags, find_source, recipe_from_flags
from keras_resnet.commands.table import COMMANDS
from keras_resnet.distributed.strategies import STRATEGIES
from keras_resnet.recipes import Recipe, setting_fields, setting_groups, settings
from keras_resnet.run_directory import Run
from tests.commands.running import unchanged_process
from tests.photos import write_photos

TRAINING = {
    "recipe",
    "model",
    "weights",
    "workdir",
    "strategy",
    "worker_timeout",
    "checkpoint_every",
    "extend",
    "dry_run",
    "teacher",
}
UNREADABLE = {"max_bad_images", "on_bad_image"}
SETTINGS = {field.name for field in setting_fields()}
FLAGS = {
    "compare": {"output"},
    "evaluate": {
        "model", "weights", "data", "data_dir", "split", "protocol", "scales", "image_size", "crop_fraction",
        "interpolation", "per_class", "real_labels", "recalibrate_batchnorm", "classes", "class_list",
    },
    "export": {"format", "precision", "calibration", "images", "evaluate", "data_dir", "data", "split"},
    "finetune": {*TRAINING, *SETTINGS, *UNREADABLE, "freeze"},
    "launch": {"workers"},
    "list": {"weights", "recipes", "licence", "commercial", "image_size", "min_top1"},
    "predict": {"top", "json", "csv", "on_error", "runtime"},
    "prepare": {*UNREADABLE, "short_side", "validation_fraction"},
    "serve": {
        "host", "port", "token", "threads", "max_batch", "max_delay_ms", "max_body_mb", "max_queue", "timeout_s",
    },
    "train": {
        *TRAINING, *SETTINGS, *UNREADABLE, "data", "data_dir", "manual_dir", "download", "fake_data",
    },
}  # fmt: skip


@pytest.fixture(autouse=True)
def parsed():
    """A function that parses a command line; flags are forgotten after the test."""
    with unchanged_process():
        yield lambda *arguments: flags.FLAGS(["script.py", *arguments])


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_define_their_flags_when_asked(name):
    command = importlib.import_module(COMMANDS[name].module)
    others = set(flags.FLAGS)
    assert not FLAGS[name] & others
    command.define_flags()
    assert set(flags.FLAGS) - others == FLAGS[name]
    assert callable(command.main)


def test_settings_of_a_recipe_are_flags_with_its_help_and_choices(parsed):
    define_recipe_flags(default="cifar_quick")
    for field in setting_fields():
        assert field.metadata["help"] in flags.FLAGS[field.name].help
    schedule = ("--schedule=steps", "--milestones=0.25,0.5")
    assert parsed("--epochs=2", *schedule, "--noflip", "--crop=scale_jitter", "photos") == [
        "script.py",
        "photos",
    ]
    recipe = recipe_from_flags()
    assert (recipe.epochs, recipe.milestones, recipe.flip, recipe.crop) == (2.0, (0.25, 0.5), False, "scale_jitter")
    assert recipe.batch_size == keras_resnet.RECIPES["cifar_quick"].batch_size
    with pytest.raises(flags.IllegalFlagValueError, match=r"<steps\|cosine\|linear\|plateau\|constant>"):
        parsed("--schedule=cos")


def test_recipe_without_flags_is_the_one_of_the_table(parsed):
    define_recipe_flags(default="fb2016")
    parsed("--recipe=he2015")
    assert recipe_from_flags() == keras_resnet.RECIPES["he2015"]


def test_each_setting_has_a_group_of_help():
    assert set(setting_groups()) == SETTINGS
    assert set(setting_groups().values()) <= set(GROUPS)


def test_strategies_can_be_listed_without_tensorflow():
    assert tuple(STRATEGIES) == choices.STRATEGIES


def test_source_is_the_folder_of_photos_or_the_data_set_in_it(tmp_path):
    split, flat, records, prepared = (tmp_path / name for name in ("split", "flat", "records", "prepared"))
    write_photos(split / "train", ["ant"], 1)
    write_photos(flat, ["ant"], 1)
    records.mkdir()
    (records / "manifest.json").touch()
    (prepared / "cifar10" / "3.0.2").mkdir(parents=True)
    for folder in (split, flat, records):
        assert find_source(str(folder), "cifar10") == (folder, None)
    assert find_source(str(prepared), "cifar10") == ("cifar10", prepared)
    assert find_source(None, "cifar10") == ("cifar10", None)


def test_an_image_size_comes_before_a_runs_test_size(parsed, tmp_path):
    recipe = Recipe(image_size=64, test_size=80)
    Run(tmp_path).write_json("recipe.json", {"recipe": settings(recipe)})
    evaluate = importlib.import_module(COMMANDS["evaluate"].module)
    evaluate.define_flags()
    parsed(f"--model={tmp_path}")
    assert evaluate.view_recipe() == recipe
    parsed(f"--model={tmp_path}", "--image_size=48")
    assert evaluate.view_recipe() == Recipe(image_size=48)
