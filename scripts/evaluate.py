"""Prints how many images of a data set a model classifies right, and under which protocol.

    python scripts/evaluate.py --model=RUN --data_dir=PHOTOS [--protocol=center,ten_crop,multi_scale]
    python scripts/evaluate.py --model=resnet50 --weights=timm/resnet50.a1_in1k --data_dir=PHOTOS
    python scripts/evaluate.py --model=resnet20_cifar --weights=resnet20.safetensors [--data=cifar10]

RUN is the run directory of a training, or a .keras file; weights are a file or a name. The size and the crop of a test
are those of the run, or of the named weights. PHOTOS is laid out as scripts/train_imagenet.py wants it.
"""

import dataclasses
import pathlib

import doorway
import keras
from absl import flags

import keras_resnet
from keras_resnet.evaluation.protocols import PROTOCOLS
from keras_resnet.run_directory import Run

MODEL = flags.DEFINE_string("model", None, "Variant to build, or a run directory or .keras file.", required=True)
WEIGHTS = flags.DEFINE_string("weights", None, "Weight file or name, where the model is a variant.")
DATA = flags.DEFINE_string("data", "cifar10", "TFDS data set, where data_dir is a folder of those.")
DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of photos, record set, or folder of TFDS data sets.")
SPLIT = flags.DEFINE_string("split", None, "test, validation or train [the first that there is].")
PROTOCOL = flags.DEFINE_list("protocol", "center", f"One or more of {', '.join(PROTOCOLS)}.")
SCALES = flags.DEFINE_list("scales", None, "Short sides for multi_scale, pixels [224,256,384,480,640 x size / 224].")
IMAGE_SIZE = flags.DEFINE_integer("image_size", None, "Side of the crop [the run's, or the weights'].", lower_bound=1)
CROP_FRACTION = flags.DEFINE_float("crop_fraction", None, "Crop / resized short side [the run's, or the weights'].")
INTERPOLATION = flags.DEFINE_enum("interpolation", None, ["bilinear", "bicubic"], "[the run's, or the weights']")
PER_CLASS = flags.DEFINE_string("per_class", None, "CSV file to write each class's accuracy to.")
REAL_LABELS = flags.DEFINE_string("real_labels", None, "real.json: ReaL's labels of ImageNet's validation images.")
RECALIBRATE = flags.DEFINE_integer(
    "recalibrate_batchnorm", 0, "Training images to compute batch normalization's statistics over first.", lower_bound=0
)


def recipe_of_test():
    """How images are resized and cropped: as the flags say, else the run, else the named weights."""
    run = Run(MODEL.value)
    if run.file("recipe.json").is_file():
        recipe = run.recipe()
    elif WEIGHTS.value and not pathlib.Path(WEIGHTS.value).exists():
        published = keras_resnet.find_weights(MODEL.value, WEIGHTS.value)
        recipe = keras_resnet.Recipe(
            image_size=published.input_size,
            crop_fraction=published.crop_fraction,
            interpolation=published.interpolation,
        )
    else:
        recipe = keras_resnet.Recipe(crop_fraction=0.875)
    given = {flag.name: flag.value for flag in (IMAGE_SIZE, CROP_FRACTION, INTERPOLATION) if flag.value is not None}
    return dataclasses.replace(recipe, **given)


def load(data) -> keras.Model:
    """The model that the flags name."""
    if pathlib.Path(MODEL.value).exists():
        return keras_resnet.load_model(MODEL.value)
    if WEIGHTS.value is None:
        raise ValueError("--model names a variant; give its --weights.")
    model = keras_resnet.create_model(MODEL.value, input_shape=data.image_shape, classes=len(data.class_names))
    return keras_resnet.load_weights(model, WEIGHTS.value)


def report(result):
    """Prints a result."""
    print(
        f"{result.top1_correct} of {result.images} right"
        + (f", {result.top5_correct} in the top 5" if result.top5_correct else ""),
        end="",
    )
    print(f", {result.images / result.seconds:.1f} images/s")
    if result.real_labels_correct:
        right, judged = result.real_labels_correct
        print(f"{right} of {judged} right by ReaL's labels ({right / judged:.4f})")
    for image, reason in result.errors:
        print(f"error: {image} {reason}")
    print(result)


def main(_):
    recipe = recipe_of_test()
    source, root = doorway.find_source(DATA_DIR.value, DATA.value)
    data = keras_resnet.load_data(source, recipe, data_dir=root)
    model = load(data)
    if RECALIBRATE.value:
        keras_resnet.recalibrate_batchnorm(model, data, recipe, RECALIBRATE.value)
    scales = [int(scale) for scale in SCALES.value] if SCALES.value else None
    for protocol in PROTOCOL.value:
        result = keras_resnet.evaluate(model, data, SPLIT.value, protocol, scales=scales, real_labels=REAL_LABELS.value)
        report(result)
    if PER_CLASS.value:
        result.write_classes(PER_CLASS.value)


if __name__ == "__main__":
    doorway.run(main)
