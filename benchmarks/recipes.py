"""How ImageNet's recipes compare on a few thousand photos, in a size and a time that fit a CPU.

    python benchmarks/recipes.py PHOTOS [--model=resnet18] [--image_size=64] [--epochs=30] [--seeds=2] [--workdir=RUNS]

PHOTOS has the folders train and val. Each recipe keeps its own schedule, loss, optimizer and augmentation. What depends
on the size of the images, of the batch, or on the number of steps is scaled; "one size" is the recipe without its
smaller early sizes. Printed: mean and spread over the seeds of the accuracy on val, by the same views of each network,
and the time of a run. "large" is a center crop of 1.25 times the image size. "own" is the view of the recipe, and
"averaged" are the moving averages of the weights in that view. Runs that --workdir has already are only evaluated.
"""

import json
import pathlib
import re
import tempfile
import time

import keras
import numpy as np
from absl import app, flags

import keras_resnet
from keras_resnet.commands.markdown import print_table

MODEL = flags.DEFINE_string("model", "resnet18", "Variant.")
IMAGE_SIZE = flags.DEFINE_integer("image_size", 64, "Height and width of training images, pixels.", lower_bound=32)
EPOCHS = flags.DEFINE_float("epochs", 30, "Passes over the training images.")
BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Images per step.", lower_bound=1)
PRECISION = flags.DEFINE_string("precision", "mixed_bfloat16", "Precision of training.")
SEEDS = flags.DEFINE_integer("seeds", 2, "Runs of each case.", lower_bound=1)
WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the runs [a temporary one].")
CASES = flags.DEFINE_string("cases", "", "Regular expression that the cases to run match [all].")

LARGE = 1.25  # test size, of the training size
EARLY = 0.75  # first size of progressive training, of the last
CASE_NAMES = ("goyal2017", "torchvision_v2", "rsb_a3", "fast16", "fast16, one size")
COLUMNS = ("center", "flip", "center, large", "own", "own, averaged", "minutes")


def small_recipe(name, seed):
    """The recipe of a case at the size of the flags."""
    size, large = IMAGE_SIZE.value, round(IMAGE_SIZE.value * LARGE)
    scaled = {
        "goyal2017": {},
        # Its average covers 4 % of the run, as the published one.
        "torchvision_v2": {"test_size": large, "ema_decay": 0.98},
        # LAMB's rate for batches of 2,048, times the square root of the ratio of both sizes.
        "rsb_a3": {"test_size": large, "learning_rate": 8e-3 * (BATCH_SIZE.value / 2048) ** 0.5},
        "fast16": {"test_size": large, "early_sizes": (round(size * EARLY),)},
        "fast16, one size": {"test_size": large, "early_sizes": (), "size_milestones": ()},
    }[name]
    common = {
        "image_size": size,
        "epochs": EPOCHS.value,
        "batch_size": BATCH_SIZE.value,
        "precision": PRECISION.value,
        "seed": seed,
    }
    return keras_resnet.get_recipe(name.split(",")[0], **common, **scaled)


def run(name, seed, photos, workdir):
    """The accuracies of one run, and its minutes: a value of each of COLUMNS."""
    recipe = small_recipe(name, seed)
    data = keras_resnet.load_data(f"{photos}/", recipe)
    start = time.perf_counter()
    result = keras_resnet.train(MODEL.value, data, recipe, workdir, verbose=0)
    minutes = (time.perf_counter() - start) / 60
    averaged = json.loads(pathlib.Path(workdir, "result.json").read_text()).get("ema")
    model = of_any_size(keras.models.load_model(pathlib.Path(workdir, "final.keras")))
    return (
        view_accuracy(model, photos, IMAGE_SIZE.value, "center"),
        view_accuracy(model, photos, IMAGE_SIZE.value, "flip"),
        view_accuracy(model, photos, round(IMAGE_SIZE.value * LARGE), "center"),
        result.accuracy,
        averaged["top1_accuracy"] if averaged else np.nan,
        minutes,
    )


def of_any_size(model):
    """The same model for images of any size."""
    copy = keras.models.clone_model(model, input_tensors=keras.Input((None, None, 3)))
    copy.set_weights(model.get_weights())
    return copy


def view_accuracy(model, photos, size, protocol):
    """Accuracy of a model on the photos of val, in a view that is the same for all recipes."""
    data = keras_resnet.load_data(f"{photos}/", "photos_quick", image_size=size)
    return keras_resnet.evaluate(model, data, "validation", protocol, verbose=0).accuracy


def cell(values):
    """Mean and spread of a column's values."""
    return "" if np.isnan(values).all() else f"{np.mean(values):.4f} ± {np.std(values):.4f}"


def rows(photos, workdir):
    """The cells of each case."""
    for name in CASE_NAMES:
        if re.search(CASES.value, name):
            folders = [
                pathlib.Path(workdir, f"{name.replace(', ', '-').replace(' ', '_')}-seed{seed}")
                for seed in range(SEEDS.value)
            ]
            runs = [run(name, seed, photos, folder) for seed, folder in enumerate(folders)]
            *accuracies, minutes = np.transpose(runs)
            yield name, *map(cell, accuracies), f"{np.mean(minutes):.1f}"


def main(argv):
    """Prints a row for each case."""
    if len(argv) != 2:
        raise app.UsageError("Give one folder of photos, with the folders train and val.")
    with tempfile.TemporaryDirectory() as scratch:
        print_table(["recipe", *COLUMNS], rows(argv[1], WORKDIR.value or scratch))


if __name__ == "__main__":
    app.run(main)
