"""How close `predict` comes to the speed of its slower part, decoding or model, for exported models.

    python benchmarks/prediction.py PHOTOS ARTIFACT... [--images=2000] [--rounds=5]

PHOTOS is a folder of JPEG files; an ARTIFACT is the path of an exported model. Each artifact runs in a fresh process,
the cases in turn, for several rounds. The program prints medians, in images/s: decoding and cropping alone; the model
alone, on full batches in memory; and `predict`, also as a share of the slower of these two, and of what is possible
where both use all cores: 1 / (1 / decoding + 1 / model).
"""

import json
import pathlib
import resource
import statistics
import sys
import time

import numpy as np
import rounds
from absl import app, flags

from keras_resnet.evaluation.opening import open_model
from keras_resnet.runtimes import Artifact, classify
from keras_resnet.runtimes.prediction import BATCH_SIZE

ROUNDS = flags.DEFINE_integer("rounds", 5, "Rounds over all cases.", lower_bound=1)
IMAGES = flags.DEFINE_integer("images", 2000, "Images of a case, in all rounds.", lower_bound=2 * BATCH_SIZE)
ALONE = flags.DEFINE_bool("alone", False, "Measure the one artifact in this process.")


class NoModel(Artifact):
    """All classes are equally probable, at once."""

    runtime = "none"

    def __init__(self, like):
        self._classes = len(like.metadata.class_names)
        height, width, channels = like.metadata.image_shape
        super().__init__("none", like.metadata, (None, height, width, channels), (None, self._classes))

    def _scores(self, images):
        return np.full((len(images), self._classes), 1 / self._classes, "float32")


def measure(folder, path):
    """Prints, as JSON, the medians of an artifact's cases in images a second, and the peak of memory in MB."""
    artifact = open_model(path)
    size = artifact.metadata.view.size
    batch = np.random.default_rng(0).integers(0, 256, (BATCH_SIZE, *size, 3), "uint8")
    paths = rounds.paths_of(folder, IMAGES.value // ROUNDS.value)

    def model_alone():
        for _ in range(0, len(paths), BATCH_SIZE):
            yield from artifact(batch)

    cases = {"model": model_alone, "decoding": lambda: classify(NoModel(artifact), paths)}
    cases["predict"] = lambda: classify(artifact, paths)
    speeds = {case: [] for case in cases}
    artifact(batch)
    for _ in range(ROUNDS.value):
        for case, images in cases.items():
            start = time.perf_counter()
            count = sum(1 for _ in images())
            speeds[case].append(count / (time.perf_counter() - start))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(json.dumps({case: statistics.median(each) for case, each in speeds.items()} | {"memory": peak}))


def compare(folder, paths):
    """Prints the medians of each artifact."""
    print(f"{rounds.machine()}.")
    print(f"{IMAGES.value} images of {folder} in {ROUNDS.value} rounds; medians of images/s.\n")
    print("| model | decoding | model | predict | of the slower | of what is possible | peak memory, MB |")
    print("|---|---|---|---|---|---|---|")
    options = f"--images={IMAGES.value}", f"--rounds={ROUNDS.value}", "--alone"
    for path in paths:
        found = rounds.run(sys.executable, __file__, folder, path, *options)
        if found:
            decoding, model, predict = found["decoding"], found["model"], found["predict"]
            possible = 1 / (1 / decoding + 1 / model)
            speeds = f"{decoding:.0f} | {model:.1f} | {predict:.1f}"
            shares = f"{predict / min(decoding, model):.0%} | {predict / possible:.0%}"
            print(f"| {pathlib.Path(path).name} | {speeds} | {shares} | {found['memory']:.0f} |", flush=True)


def main(argv):
    """Measures one artifact, in a process of its own, or compares all."""
    if len(argv) < 3:
        sys.exit("usage: prediction.py PHOTOS ARTIFACT... [--images=2000] [--rounds=5]")
    if ALONE.value:
        measure(argv[1], argv[2])
    else:
        compare(argv[1], argv[2:])


if __name__ == "__main__":
    app.run(main)
