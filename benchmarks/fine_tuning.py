"""Which fine-tuning settings are best for few photos: the recipe's own, others around it, and training from scratch.

    python benchmarks/fine_tuning.py WEIGHTS PHOTOS [--model=resnet18] [--image_size=64] [--seeds=3] [--workdir=RUNS]

WEIGHTS is a weight file or a run directory's best.keras, of the variant --model; PHOTOS has the folders train and val.
Each case differs from the recipe "finetune" in the settings that it names. "unbalanced" takes 130, 80, 40, 20 and 10
photos of the first five classes. Printed: mean and spread of the accuracy on val over the seeds, the mean over classes
(balanced accuracy), and the time of a run. Runs that --workdir has already are only evaluated.
"""

import dataclasses
import pathlib
import re
import tempfile
import time

import numpy as np
from absl import app, flags

import keras_resnet
from keras_resnet.commands.markdown import print_table
from keras_resnet.training.building import build_model

MODEL = flags.DEFINE_string("model", "resnet18", "Variant.")
IMAGE_SIZE = flags.DEFINE_integer("image_size", 64, "Height and width of the images, pixels.", lower_bound=32)
SEEDS = flags.DEFINE_integer("seeds", 3, "Runs of each case.", lower_bound=1)
WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the runs [a temporary one].")
CASES = flags.DEFINE_string("cases", "", "Regular expression that the cases to run match [all].")
UNBALANCED = (130, 80, 40, 20, 10)  # photos of the first classes


@dataclasses.dataclass(frozen=True)
class Case:
    """Settings to train with, instead of those of the recipe; whether from the weights, and on all photos."""

    settings: dict
    pretrained: bool = True
    balanced: bool = True
    factor: float = 1.0  # on the number of epochs


SCRATCH = {"unfreeze_milestones": (), "learning_rate": 0.05, "nesterov": True, "weight_decay": 5e-4}
GRID = {
    "default": {},
    "all layers at once": {"unfreeze_milestones": ()},
    "head for longer": {"unfreeze_milestones": (0.4,)},
    "stage by stage": {"unfreeze_milestones": (0.1, 0.2, 0.3, 0.4)},
    "frozen statistics": {"frozen_statistics": True},
    "a third of the rate": {"learning_rate": 0.0033},
    "three times the rate": {"learning_rate": 0.03},
    "lower rate below": {"stage_rate_decay": 0.5},
}
ALL = {
    **{name: Case(settings) for name, settings in GRID.items()},
    "half the epochs": Case({}, factor=0.5),
    "twice the epochs": Case({}, factor=2),
    "from scratch": Case(SCRATCH, pretrained=False, factor=2),
    "unbalanced": Case({}, balanced=False),
    "unbalanced, without class weights": Case({"balanced_classes": False}, balanced=False),
    "unbalanced, from scratch": Case(SCRATCH, pretrained=False, balanced=False, factor=2),
}


def unbalanced_copy(photos, folder):
    """A folder of links to few photos of each class, unequally many."""
    for split, counts in (("train", UNBALANCED), ("val", [None] * len(UNBALANCED))):
        for source, count in zip(sorted(pathlib.Path(photos, split).resolve().iterdir()), counts, strict=False):
            target = pathlib.Path(folder, split, source.name)
            target.mkdir(parents=True)
            for photo in sorted(source.iterdir())[:count]:
                (target / photo.name).symlink_to(photo)
    return folder


def run(case, seed, weights, photos, workdir):
    """(accuracy, balanced accuracy, seconds) of one run."""
    common = {"image_size": IMAGE_SIZE.value, "seed": seed}
    data = keras_resnet.load_data(f"{photos}/", keras_resnet.get_recipe("finetune", **common))
    recipe = keras_resnet.get_recipe("finetune", len(data.train), **common)
    recipe = keras_resnet.get_recipe(recipe, **case.settings, epochs=recipe.epochs * case.factor)
    model = build_model(MODEL.value, data, recipe, weights=weights if case.pretrained else None)
    start = time.perf_counter()
    result = keras_resnet.train(model, data, recipe, workdir, verbose=0)
    by_class = [correct / images for _, images, correct in result.classes]
    return result.accuracy, np.mean(by_class), time.perf_counter() - start


def rows(weights, photos, scratch):
    """The cells of each case."""
    few = unbalanced_copy(photos, pathlib.Path(scratch, "unbalanced"))
    for name, case in ALL.items():
        if not re.search(CASES.value, name):
            continue
        runs = [
            run(
                case,
                seed,
                weights,
                photos if case.balanced else few,
                pathlib.Path(WORKDIR.value or scratch, f"{name.replace(' ', '_')}-seed{seed}"),
            )
            for seed in range(SEEDS.value)
        ]
        mean, spread = np.mean(runs, axis=0), np.std(runs, axis=0)
        yield name, f"{mean[0]:.4f} ± {spread[0]:.4f}", f"{mean[1]:.4f} ± {spread[1]:.4f}", f"{mean[2]:.0f}"


def main(argv):
    """Prints a row for each case."""
    if len(argv) != 3:
        raise app.UsageError("Give a weight file and a folder of photos, with the folders train and val.")
    with tempfile.TemporaryDirectory() as scratch:
        print_table(["case", "accuracy", "balanced accuracy", "time, s"], rows(*argv[1:], scratch))


if __name__ == "__main__":
    app.run(main)
