"""Trains a ResNet on ImageNet, Imagenette, or any folder of photos."""

import pathlib
import tempfile

from absl import flags

import keras_resnet
from keras_resnet.commands.flags import (
    FLAGS,
    define_data_flags,
    define_recipe_flags,
    define_training_flags,
    define_unreadable_image_flags,
    find_source,
    recipe_from_flags,
    strategy_from_flags,
    train_from_flags,
    unreadable_image_options,
)
from keras_resnet.data import fake_photos

HOW_TO_GET_DATA = """Give the images as --data_dir. It can be:

  a folder of photos     PHOTOS/train/<class>/*.jpg and PHOTOS/val/<class>/*.jpg, or PHOTOS/<class>/*.jpg. ImageNet has
                         this layout once its archives are unpacked (image-net.org, free for research after
                         registration): train/n01440764/*.JPEG; val/ may be flat, with a label file such as Kaggle's
                         LOC_val_solution.csv in it or beside it.
  a record set           what scripts/prepare_imagenet.py makes from such a folder: smaller and faster to read.
  a TFDS folder          a folder of prepared data sets; --data selects one (default imagenet2012). TFDS can prepare
                         ImageNet from ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar:
                             --data_dir=~/tensorflow_datasets --manual_dir=FOLDER_OF_THE_TWO_TARS
                         and download smaller data sets itself:
                             --data_dir=~/tensorflow_datasets --data=imagenette/320px-v2 --download

No data yet? --fake_data trains on generated photos, to measure the speed of this machine."""


def define_flags() -> None:
    """Defines the flags of the command."""
    define_recipe_flags(default="fb2016")
    define_training_flags(default_model="resnet50")
    define_unreadable_image_flags()
    define_data_flags(default="imagenet2012")
    flags.DEFINE_string("manual_dir", None, "Folder of the archives that TFDS prepares the data set from.")
    flags.DEFINE_bool("download", False, "Let TFDS download the data set if it is not in data_dir.")
    flags.DEFINE_bool("fake_data", False, "Train on generated photos, to measure speed.")


def main(argv: list[str]) -> None:
    """Trains, and prints the accuracy."""
    del argv
    if FLAGS.data_dir is None and not FLAGS.fake_data:
        raise SystemExit(HOW_TO_GET_DATA)
    strategy = strategy_from_flags()
    recipe = recipe_from_flags()
    train_from_flags(FLAGS.model, _load(recipe), recipe, strategy, **unreadable_image_options())


def _load(recipe: keras_resnet.Recipe) -> keras_resnet.Data:
    if FLAGS.fake_data:
        folder = fake_photos.write(pathlib.Path(tempfile.gettempdir(), "keras_resnet_fake_photos"))
        return keras_resnet.load_data(folder, recipe)
    source, data_dir = find_source(FLAGS.data_dir, FLAGS.data)
    return keras_resnet.load_data(
        source, recipe, data_dir=data_dir, download=FLAGS.download, manual_dir=FLAGS.manual_dir
    )
