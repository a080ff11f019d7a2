"""How fast exported models are: each format and precision, against keras.applications.

    python benchmarks/export.py [--model=resnet50] [--photos=PHOTOS] [--data_dir=FOLDER] [--rounds=5] [--only=REGEX]

The model is a variant, whose weights are then random, a run directory, or a `.keras` file. It is exported in each
format and precision to --artifacts, unless the file is already there; then each artifact runs in a fresh process, in
turn, for several rounds: single images and batches of 16, which lie in memory. Medians are printed, and ratios to
ResNet-50 of keras.applications, once through `predict` and once through a `tf.function`. Memory is the peak of the
process. --photos are for the calibration of int8; without, photos are generated. With --data_dir, a prepared CIFAR-10,
or a folder of photos with the model's classes, the images that each artifact classifies correctly are counted.
"""

import functools
import pathlib
from collections.abc import Callable, Iterable

import networks
import numpy as np
from absl import flags
from program import ARTIFACTS, PHOTOS, Benchmark, Measure, call_seconds, or_small, resident_memory
from rounds import Numbers, Ratio

MODEL = flags.DEFINE_string("model", "resnet50", "Variant, run directory, or .keras file.")
DATA_DIR = flags.DEFINE_string("data_dir", None, "Images to count correct answers on [none].")
BATCH, GENERATED = 16, 100  # images of the larger batch; generated photos for calibration
APPLICATIONS = "keras.applications, tf.function", "keras.applications, predict"
FILES = {  # artifact -> (path, precision)
    "Keras": ("float32.keras", "float32"),
    "SavedModel": ("saved_model", "float32"),
    "ONNX float32": ("float32.onnx", "float32"),
    "ONNX int8": ("int8.onnx", "int8"),
    "LiteRT float32": ("float32.tflite", "float32"),
    "LiteRT float16": ("float16.tflite", "float16"),
    "LiteRT dynamic": ("dynamic.tflite", "dynamic"),
    "LiteRT int8": ("int8.tflite", "int8"),
    "OpenVINO float32": ("float32.xml", "float32"),
    "OpenVINO bfloat16": ("bfloat16.xml", "bfloat16"),
    "OpenVINO int8": ("int8.xml", "int8"),
}
BEST = {
    "best float artifact": ("SavedModel", "ONNX float32", "LiteRT float32", "OpenVINO float32", "OpenVINO bfloat16"),
    "best int8 artifact": ("ONNX int8", "LiteRT int8", "OpenVINO int8"),
}
COMPARED = ((APPLICATIONS[1], "images/s"), (APPLICATIONS[0], f"images/s, batch {BATCH}"))
WHY = "exported-models-exportpy-predictionpy-servicepy"


def path_of(artifact: str) -> pathlib.Path:
    """Where an artifact is."""
    return pathlib.Path(ARTIFACTS.value, FILES[artifact][0])


def load():
    """The model to export."""
    import keras_resnet

    if MODEL.value == "resnet50":
        return networks.keras_model("ours", networks.imagenet("float32"))
    is_variant = MODEL.value in keras_resnet.list_models()
    return keras_resnet.create_model(MODEL.value) if is_variant else keras_resnet.load_model(MODEL.value)


def write(artifact: str) -> Numbers:
    """Exports an artifact unless it is there; its size, and how many images it and the model classify correctly."""
    import keras_resnet
    from keras_resnet.data import fake_photos

    path, precision = path_of(artifact), FILES[artifact][1]
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        calibration = (
            (PHOTOS.value or list(fake_photos.photos(or_small(GENERATED, 8)))) if precision == "int8" else None
        )
        keras_resnet.export(load(), path, precision=precision, calibration=calibration)
    files = [path.with_suffix(".bin"), path] if path.suffix == ".xml" else [path, *path.rglob("*")]
    return {"size MB": sum(file.stat().st_size for file in files if file.is_file()) / 1e6, **count(path)}


def count(path: pathlib.Path) -> Numbers:
    """How many images of the data an artifact and the model classify correctly."""
    if not DATA_DIR.value:
        return {}
    import keras_resnet
    from keras_resnet.exporting.accuracy import compare_accuracy
    from keras_resnet.runtimes import open_artifact

    folder = pathlib.Path(DATA_DIR.value)
    source = {"source": "cifar10", "data_dir": folder} if (folder / "cifar10").is_dir() else {"source": folder}
    found = compare_accuracy(load(), open_artifact(path), keras_resnet.load_data(**source), verbose=0)
    return {"correct": found.exported_correct, "of": found.images}


def written(artifacts: Iterable[str]) -> dict[str, Measure]:
    """The cases that export artifacts."""
    return {f"write {artifact}": functools.partial(write, artifact) for artifact in artifacts}


def applications(case: str) -> tuple[Callable[[np.ndarray], object], tuple[int, ...]]:
    """A function of a batch of images, and the shape of an image: keras.applications' ResNet-50."""
    import tensorflow as tf

    task = networks.imagenet("float32")
    model = networks.keras_model("keras.applications", task)
    shape = (task.size, task.size, 3)
    if case.endswith("predict"):
        return lambda images: model.predict(images, verbose=0), shape
    forward = tf.function(lambda images: model(images, training=False))
    return lambda images: forward(tf.constant(images)).numpy(), shape


def opened(case: str) -> tuple[Callable[[np.ndarray], object], tuple[int, ...]]:
    """A function of a batch of images, and the shape of an image: the artifact, opened in its runtime."""
    from keras_resnet.runtimes import open_artifact

    artifact = open_artifact(path_of(case))
    return artifact, artifact.metadata.image_shape


def measure(case: str) -> Numbers:
    """Speed and latency of single images, speed of batches, and the peak of the process's memory."""
    function, shape = (applications if case in APPLICATIONS else opened)(case)
    random = np.random.default_rng(0)
    single, batch = (
        call_seconds(functools.partial(function, random.uniform(0, 255, (size, *shape)).astype("float32")), seconds=4.0)
        for size in (1, BATCH)
    )
    return {
        "p50 ms": 1000 * np.median(single),
        "p99 ms": 1000 * np.percentile(single, 99),
        "images/s": 1 / np.median(single),
        f"images/s, batch {BATCH}": BATCH / np.median(batch),
        "memory MB": resident_memory("VmHWM"),
    }


BENCHMARK = Benchmark(
    __file__,
    "Exported ResNet-50 with images of 224 x 224 in memory: latency and images per second one by one, and images per "
    f"second in batches of {BATCH}.",
    {case: functools.partial(measure, case) for case in (*APPLICATIONS, *FILES)},
    once=written(FILES),
    ratios=[
        *(Ratio(artifact, reference, number) for reference, number in COMPARED for artifact in FILES),
        *(
            Ratio(artifacts, reference, number, asked=asked, why=WHY, label=label)
            for (reference, number), goals in zip(COMPARED, ((6.0, 11.0), (2.2, 3.8)), strict=True)
            for (label, artifacts), asked in zip(BEST.items(), goals, strict=True)
        ),
    ],
    own_flags=[MODEL, DATA_DIR],
)

if __name__ == "__main__":
    BENCHMARK.start()
