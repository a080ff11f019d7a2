"""The commands' flags, in one process."""

import importlib
import pkgutil

import pytest
from absl import flags
from absl.testing import flagsaver

import keras_resnet
from keras_resnet import commands
from keras_resnet.commands.flags import define_recipe_flags, find_source, recipe_from_flags
from keras_resnet.recipes import setting_fields
from tests.photos import write_photos

SHARED = {"app", "flags"}  # modules that are not commands
COMMANDS = sorted({module.name for module in pkgutil.iter_modules(commands.__path__)} - SHARED)
TRAINING = {"recipe", "model", "workdir", "strategy", "worker_timeout", "checkpoint_every", "dry_run"}
UNREADABLE = {"max_bad_images", "on_bad_image"}
SETTINGS = {field.name for field in setting_fields()}
FLAGS = {
    "evaluate": {
        "model", "weights", "data", "data_dir", "split", "protocol", "scales", "image_size", "crop_fraction",
        "interpolation", "per_class", "real_labels", "recalibrate_batchnorm",
    },
    "finetune": {*TRAINING, *SETTINGS, "weights", "freeze"},
    "launch": {"workers"},
    "list_models": set(),
    "predict": {"top"},
    "prepare": {*UNREADABLE, "short_side", "validation_fraction"},
    "train_cifar10": {*TRAINING, *SETTINGS, "data_dir", "download"},
    "train_imagenet": {
        *TRAINING, *SETTINGS, *UNREADABLE, "data", "data_dir", "manual_dir", "download", "fake_data",
    },
}  # fmt: skip


@pytest.fixture(autouse=True)
def parsed():
    """A function that parses a command line; flags are forgotten after the test."""
    gnu = flags.FLAGS.is_gnu_getopt()
    with flagsaver.flagsaver():
        yield lambda *arguments: flags.FLAGS(["script.py", *arguments])
    flags.FLAGS.set_gnu_getopt(gnu)


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_define_their_flags_when_asked(name):
    command = importlib.import_module(f"keras_resnet.commands.{name}")
    others = set(flags.FLAGS)
    assert not FLAGS[name] & others
    command.define_flags()
    assert set(flags.FLAGS) - others == FLAGS[name]
    assert callable(command.main)


def test_settings_of_a_recipe_are_flags_with_its_help_and_choices(parsed):
    define_recipe_flags(default="cifar_quick")
    for field in setting_fields():
        assert field.metadata["help"] in flags.FLAGS[field.name].help
    assert parsed("--epochs=2", "--milestones=0.25,0.5", "--noflip", "--crop=scale_jitter", "photos") == [
        "script.py",
        "photos",
    ]
    recipe = recipe_from_flags()
    assert (recipe.epochs, recipe.milestones, recipe.flip, recipe.crop) == (2.0, (0.25, 0.5), False, "scale_jitter")
    assert recipe.batch_size == keras_resnet.RECIPES["cifar_quick"].batch_size
    with pytest.raises(flags.IllegalFlagValueError, match=r"<steps\|cosine\|plateau\|constant>"):
        parsed("--schedule=cos")


def test_recipe_without_flags_is_the_one_of_the_table(parsed):
    define_recipe_flags(default="fb2016")
    parsed("--recipe=he2015")
    assert recipe_from_flags() == keras_resnet.RECIPES["he2015"]


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
