"""Trains a model on CIFAR-10, ImageNet, any other TFDS data set, or photos."""

import pathlib
import tempfile
from typing import TYPE_CHECKING, NamedTuple

from absl import flags

import keras_resnet
from keras_resnet.commands.flags import (
    FLAGS,
    default_to_recipe,
    define_data_flags,
    define_download_flag,
    define_recipe_flags,
    define_unreadable_image_flags,
    find_source,
    group,
    recipe_from_flags,
    refuse,
    unreadable_image_options,
)
from keras_resnet.commands.training import (
    check_training_flags,
    define_training_flags,
    model_from_flags,
    strategy_from_flags,
    train_from_flags,
)
from keras_resnet.recipes import Recipe

if TYPE_CHECKING:
    from keras_resnet.data import Data

HOW_TO_GET_DATA = """Give the images as --data_dir. It can be:

  a folder of photos     PHOTOS/train/<class>/*.jpg and PHOTOS/val/<class>/*.jpg, or PHOTOS/<class>/*.jpg. ImageNet has
                         this layout once its archives are unpacked (image-net.org, free for research after
                         registration): train/n01440764/*.JPEG; val/ may be flat, with a label file such as Kaggle's
                         LOC_val_solution.csv in it or beside it.
  a record set           what `keras-resnet prepare` makes from such a folder: smaller and faster to read.
  a TFDS folder          a folder of prepared data sets; --data selects one (default imagenet2012). TFDS can prepare
                         ImageNet from ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar:
                             --data_dir=~/tensorflow_datasets --manual_dir=FOLDER_OF_THE_TWO_TARS
                         and download smaller data sets itself:
                             --data_dir=~/tensorflow_datasets --data=imagenette/320px-v2 --download

No data yet? --data=cifar10 --download trains on CIFAR-10, and --fake_data on generated photos, to measure the speed of
this machine."""


class Setup(NamedTuple):
    """What a data set is trained with, unless flags say otherwise."""

    model: str
    recipe: str


PHOTOS = Setup("resnet50", "fb2016")
SETUPS = {"cifar10": Setup("resnet20_cifar", "cifar_quick"), "cifar100": Setup("resnet20_cifar", "cifar_quick")}


def define_flags() -> None:
    """Defines the flags of the command."""
    define_recipe_flags(PHOTOS.recipe)
    define_training_flags(PHOTOS.model)
    define_data_flags(default=None)
    define_download_flag()
    define_unreadable_image_flags()
    with group("data"):
        flags.DEFINE_string("manual_dir", None, "Folder of the archives that TFDS prepares the data set from.")
        flags.DEFINE_bool("fake_data", False, "Train on generated photos, to measure speed.")


def complete_flags() -> None:
    """Sets the defaults that depend on other flags: model and recipe on --data, settings on --recipe."""
    setup = SETUPS.get((FLAGS.data or "").partition(":")[0], PHOTOS)
    FLAGS.set_default("model", setup.model)
    FLAGS.set_default("recipe", setup.recipe)
    default_to_recipe()


def check_flags() -> None:
    """Refuses flags that are out of range or contradict each other."""
    if FLAGS.data_dir is None and FLAGS.data is None and not FLAGS.fake_data:
        raise SystemExit(HOW_TO_GET_DATA)
    sources = [name for name in ("data_dir", "data", "download", "manual_dir") if FLAGS[name].present]
    no_archives = FLAGS.manual_dir is not None and not pathlib.Path(FLAGS.manual_dir).expanduser().is_dir()
    refuse(
        [
            (FLAGS.fake_data and sources, f"--fake_data generates photos; leave out --{' and --'.join(sources)}."),
            (no_archives, f"--manual_dir: there is no folder {FLAGS.manual_dir}."),
        ]
    )
    check_training_flags()


def main(argv: list[str]) -> None:
    """Trains, and prints the accuracy."""
    del argv
    strategy = strategy_from_flags()
    data = _load(recipe_from_flags())
    recipe = recipe_from_flags(len(data.train))
    model = model_from_flags(data, recipe, strategy)
    train_from_flags(model, data, recipe, strategy, **unreadable_image_options())


def _load(recipe: Recipe) -> "Data":
    if FLAGS.fake_data:
        from keras_resnet.data import fake_photos

        folder = fake_photos.write(pathlib.Path(tempfile.gettempdir(), "keras_resnet_fake_photos"))
        return keras_resnet.load_data(folder, recipe)
    source, data_dir = find_source(FLAGS.data_dir, "imagenet2012" if FLAGS.data is None else FLAGS.data)
    of_tfds = [name for name in ("data", "download", "manual_dir") if FLAGS[name].present and FLAGS[name].value]
    refuse([(isinstance(source, pathlib.Path) and of_tfds, f"{source} needs no --{' or --'.join(of_tfds)}.")])
    return keras_resnet.load_data(
        source, recipe, data_dir=data_dir, download=FLAGS.download, manual_dir=FLAGS.manual_dir
    )
