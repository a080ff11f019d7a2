"""Prints how many images of a data set a model classifies right.

    python scripts/evaluate.py --model=resnet20_cifar --weights=resnet20.safetensors [--data=cifar10]
    python scripts/evaluate.py --model=RUN [--data=cifar10]

RUN is the run directory of a training, or a .keras file. Weight files may be this package's, keras.applications',
torchvision's or timm's.
"""

import pathlib

import doorway
from absl import flags

import keras_resnet

MODEL = flags.DEFINE_string("model", None, "Variant to build, or a run directory or .keras file.", required=True)
WEIGHTS = flags.DEFINE_string("weights", None, "Weight file or name, where the model is a variant.")
DATA = flags.DEFINE_string("data", "cifar10", "TFDS data set.")
DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of prepared TFDS data sets [~/tensorflow_datasets].")
SPLIT = flags.DEFINE_string("split", None, "test, validation or train [the first that there is].")


def load(data):
    """The model that the flags name."""
    if pathlib.Path(MODEL.value).exists():
        return keras_resnet.load_model(MODEL.value)
    if WEIGHTS.value is None:
        raise ValueError("--model names a variant; give its --weights.")
    model = keras_resnet.create_model(MODEL.value, input_shape=data.image_shape, classes=len(data.class_names))
    return keras_resnet.load_weights(model, WEIGHTS.value)


def main(_):
    data = keras_resnet.load_data(DATA.value, data_dir=DATA_DIR.value)
    result = keras_resnet.evaluate(load(data), data, SPLIT.value)
    print(f"{result.top1} of {result.images} right" + (f", {result.top5} in the top 5" if result.top5 else ""))
    print(result)


if __name__ == "__main__":
    doorway.run(main)
