"""Trains a ResNet on ImageNet, on Imagenette, or on any folder of photos, and prints its accuracy.

    python scripts/train_imagenet.py --data_dir=PHOTOS --workdir=runs/resnet50 [--model=resnet50] [--recipe=fb2016]

Without --data_dir it says what PHOTOS can be. The same command again goes on where the run stopped.
"""

import pathlib
import sys
import tempfile

import doorway
from absl import flags

import keras_resnet
from keras_resnet.data import fake_photos

HOW_TO_GET_DATA = """Give the images as --data_dir. It can be:

  a folder of photos     PHOTOS/train/<class>/*.jpg and PHOTOS/val/<class>/*.jpg, or PHOTOS/<class>/*.jpg. So is
                         ImageNet once its archives are unpacked (image-net.org, free for research after registering):
                         train/n01440764/*.JPEG; val/ may be flat, with a label file, as Kaggle's LOC_val_solution.csv,
                         in it or beside it.
  a record set           what scripts/prepare_imagenet.py makes of such a folder: smaller, and faster to read.
  TFDS's folder          a folder of prepared data sets, of which --data names one (default imagenet2012). TFDS can
                         prepare ImageNet from ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar:
                             --data_dir=~/tensorflow_datasets --manual_dir=FOLDER_OF_THE_TWO_TARS
                         and fetch smaller sets itself:
                             --data_dir=~/tensorflow_datasets --data=imagenette/320px-v2 --download

No data at hand? --fake_data trains on generated photos, to see how fast this machine is."""

doorway.define_recipe_flags(default="fb2016")
MODEL = flags.DEFINE_string("model", "resnet50", "Variant to train; keras_resnet.list_models() has all.")
DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of photos, record set, or folder of TFDS data sets.")
DATA = flags.DEFINE_string("data", "imagenet2012", "TFDS data set, where data_dir is a folder of those.")
MANUAL_DIR = flags.DEFINE_string("manual_dir", None, "Folder of the archives that TFDS prepares the data set from.")
DOWNLOAD = flags.DEFINE_bool("download", False, "Let TFDS fetch the data set if it is not in data_dir.")
FAKE_DATA = flags.DEFINE_bool("fake_data", False, "Train on generated photos, for a speed test.")
doorway.define_bad_image_flags()
doorway.define_training_flags()


def load(recipe):
    """The data that the flags name."""
    if FAKE_DATA.value:
        folder = fake_photos.write(pathlib.Path(tempfile.gettempdir(), "keras_resnet_fake_photos"))
        return keras_resnet.load_data(folder, recipe)
    source, root = doorway.find_source(DATA_DIR.value, DATA.value)
    return keras_resnet.load_data(source, recipe, data_dir=root, download=DOWNLOAD.value, manual_dir=MANUAL_DIR.value)


def main(_):
    if DATA_DIR.value is None and not FAKE_DATA.value:
        sys.exit(HOW_TO_GET_DATA)
    strategy = doorway.strategy()
    recipe = doorway.recipe_from_flags()
    doorway.train(MODEL.value, load(recipe), recipe, strategy, **doorway.bad_image_options())


if __name__ == "__main__":
    doorway.run(main)
