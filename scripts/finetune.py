"""Trains a model that starts from existing weights on a folder of photos.

    python scripts/finetune.py PHOTOS --workdir=runs/photos --model=resnet18 --weights=imagenet [--freeze=stage3]

PHOTOS holds a folder for each class, or train/ and val/ (and test/) with a folder for each class. --weights is a file
or a name; its classifier is replaced where the number of classes differs.
"""

import sys

import doorway
import keras
from absl import flags

import keras_resnet

doorway.define_recipe_flags(default="finetune")
doorway.define_training_flags()
MODEL = flags.DEFINE_string("model", "resnet50", "Variant to train; keras_resnet.list_models() has all.")
WEIGHTS = flags.DEFINE_string("weights", "imagenet", "Weight file or name; empty for random weights.")
FREEZE = flags.DEFINE_string("freeze", None, "Last part that keeps its weights: stem, stage1, stage2, ... [none]")


def main(argv):
    if len(argv) != 2:
        sys.exit("usage: finetune.py PHOTOS --workdir=RUN [--model=...] [--weights=...]")
    strategy = doorway.strategy()
    recipe = doorway.recipe_from_flags()
    data = keras_resnet.load_data(f"{argv[1]}/", recipe)
    keras.utils.set_random_seed(recipe.seed)
    with strategy.scope():
        model = keras_resnet.create_model(
            MODEL.value, weights=WEIGHTS.value or None, input_shape=data.image_shape, classes=len(data.class_names)
        )
        if FREEZE.value:
            keras_resnet.freeze(model, FREEZE.value)
    doorway.train(model, data, recipe, strategy)


if __name__ == "__main__":
    doorway.run(main)
