"""How close `predict` comes to the speed of its slower part, decoding or model, for exported models.

    python benchmarks/prediction.py --photos=PHOTOS [--rounds=5] [--model=resnet50] [--only=REGEX] [--quick]

PHOTOS is a folder of JPEG files. The model is exported as `export.py` does. Each artifact runs in a fresh process, the
cases in turn, for several rounds of 400 images. The numbers are images/s: decoding and cropping alone; the model alone,
on full batches in memory; and `predict`, also as a share of the slower of these two, and of what is possible where both
use all cores: 1 / (1 / decoding + 1 / model).
"""

import functools
import time

import numpy as np
from export import MODEL, path_of, written
from program import PHOTOS, Benchmark, or_small, resident_memory
from rounds import Numbers, Ratio, paths_of

IMAGES = 400  # of a case, in each round
PREDICTED = ("OpenVINO int8", "OpenVINO float32", "ONNX float32", "LiteRT float32", "SavedModel", "Keras")


def without_model(like):
    """An artifact whose classes are all equally probable, at once."""
    from keras_resnet.runtimes import Artifact

    class NoModel(Artifact):
        runtime = "none"

        def _scores(self, images):
            return np.full((len(images), classes), 1 / classes, "float32")

    classes = len(like.metadata.class_names)
    return NoModel("none", like.metadata, (None, *like.metadata.image_shape), (None, classes))


def speeds(case: str) -> Numbers:
    """Images a second of decoding, of the model, and of `predict`; and the peak of memory."""
    from keras_resnet.evaluation.opening import open_model
    from keras_resnet.runtimes import classify
    from keras_resnet.runtimes.prediction import BATCH_SIZE

    artifact = open_model(path_of(case))
    batch = np.random.default_rng(0).integers(0, 256, (BATCH_SIZE, *artifact.metadata.image_shape), "uint8")
    paths = paths_of(PHOTOS.value, or_small(IMAGES, 2 * BATCH_SIZE))

    def rate(images):
        start = time.perf_counter()
        count = sum(1 for _ in images)
        return count / (time.perf_counter() - start)

    artifact(batch)
    model = rate(scores for _ in range(0, len(paths), BATCH_SIZE) for scores in artifact(batch))
    decoding = rate(classify(without_model(artifact), paths))
    predict = rate(classify(artifact, paths))
    return {
        "decoding": decoding,
        "model": model,
        "predict": predict,
        "of the slower": predict / min(decoding, model),
        "of what is possible": predict * (1 / decoding + 1 / model),
        "memory MB": resident_memory("VmHWM"),
    }


BENCHMARK = Benchmark(
    __file__,
    "Images per second of `predict` on JPEG files with exported ResNet-50, beside those of its parts alone. Both "
    "parts use all cores, so 1 / (1 / decoding + 1 / model) is possible.",
    {artifact: functools.partial(speeds, artifact) for artifact in PREDICTED},
    once=written(PREDICTED),
    ratios=[
        Ratio(artifact, None, "of the slower", asked=0.85, why="exported-models-exportpy-predictionpy-servicepy")
        for artifact in PREDICTED
    ],
    needs=["photos"],
    own_flags=[MODEL],
)

if __name__ == "__main__":
    BENCHMARK.start()
