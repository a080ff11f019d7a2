"""How close `predict` comes to the speed of its slower part, decoding or model, for exported models.

    python benchmarks/prediction.py PHOTOS ARTIFACT... [--images=2000] [--rounds=3]

PHOTOS is a folder of JPEG files, which are read over and over; an ARTIFACT is the path of an exported model. Each case
runs in a fresh process, the cases in turn, for several rounds. The program prints medians, in images/s: decoding and
cropping alone; the model alone, on full batches in memory; and `predict`, also as a share of the slower of these two,
and of what is possible where both use all cores: 1 / (1 / decoding + 1 / model).
"""

import json
import pathlib
import resource
import sys
import time

import numpy as np
import rounds
from absl import app, flags
from input_pipeline import paths_of

from keras_resnet.evaluation.opening import open_model
from keras_resnet.runtimes import Artifact, classify
from keras_resnet.runtimes.prediction import BATCH_SIZE

ROUNDS = flags.DEFINE_integer("rounds", 3, "Rounds over all cases.", lower_bound=1)
IMAGES = flags.DEFINE_integer("images", 2000, "Images of a case, in each round.", lower_bound=2 * BATCH_SIZE)
CASE = flags.DEFINE_string("case", None, "Run this case alone, in this process.")

CASES = ("decode", "model", "predict")


class NoModel(Artifact):
    """All classes are equally probable, at once."""

    runtime = "none"

    def __init__(self, like):
        self._classes = len(like.metadata.class_names)
        height, width, channels = like.metadata.image_shape
        super().__init__("none", like.metadata, (None, height, width, channels), (None, self._classes))

    def _scores(self, images):
        return np.full((len(images), self._classes), 1 / self._classes, "float32")


def measure(folder, path, case):
    """Prints, as JSON, the images a second of a case after its first batches, and the peak of memory in MB."""
    artifact = open_model(path)
    size = artifact.metadata.view.size
    batch = np.random.default_rng(0).integers(0, 256, (BATCH_SIZE, *size, 3), "uint8")
    for count in (1, BATCH_SIZE, BATCH_SIZE):
        artifact(batch[:count])
    paths = paths_of(folder, IMAGES.value)
    start = time.perf_counter()
    if case == "model":
        for _ in range(0, IMAGES.value, BATCH_SIZE):
            artifact(batch)
    else:
        for _ in classify(NoModel(artifact) if case == "decode" else artifact, paths):
            pass
    speed = IMAGES.value / (time.perf_counter() - start)
    print(json.dumps({"speed": speed, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000}))


def compare(folder, paths):
    """Runs the cases in turn and prints their medians."""

    def run_case(case):
        path, name = case
        return rounds.run(sys.executable, __file__, folder, path, f"--case={name}", f"--images={IMAGES.value}")

    cases = [(path, name) for path in paths for name in CASES]
    found = rounds.medians(cases, ROUNDS.value, run_case)
    print(f"{rounds.machine()}.")
    print(f"{IMAGES.value} images of {folder}; medians of {ROUNDS.value} rounds.\n")
    print("| model | decoding/s | model/s | predict/s | of the slower | of what is possible | peak memory, MB |")
    print("|---|---|---|---|---|---|---|")
    for path in paths:
        if all((path, name) in found for name in CASES):
            decoding, model, predict = (found[path, name]["speed"] for name in CASES)
            possible = 1 / (1 / decoding + 1 / model)
            speeds = f"{decoding:.0f} | {model:.1f} | {predict:.1f}"
            shares = f"{predict / min(decoding, model):.0%} | {predict / possible:.0%}"
            print(f"| {pathlib.Path(path).name} | {speeds} | {shares} | {found[path, 'predict']['memory']:.0f} |")


def main(argv):
    """Measures one case, in a process of its own, or compares all."""
    if len(argv) < 3:
        sys.exit("usage: prediction.py PHOTOS ARTIFACT... [--images=2000] [--rounds=3]")
    if CASE.value:
        measure(argv[1], argv[2], CASE.value)
    else:
        compare(argv[1], argv[2:])


if __name__ == "__main__":
    app.run(main)
