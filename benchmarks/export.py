"""How fast exported models are: each format and precision, against keras.applications.

    python benchmarks/export.py [--model=resnet50] [--photos=FOLDER] [--data_dir=FOLDER] [--rounds=5] [--formats=REGEX]

The model is a variant, whose weights are then random, a run directory, or a `.keras` file. It is exported in each
format and precision, then each artifact runs in a fresh process, in turn, for several rounds: single images and batches
of 16, which lie in memory. Medians are printed, and ratios to ResNet-50 of keras.applications, once through `predict`
and once through a `tf.function`. Memory is the peak of the process. --photos are for the calibration of int8; without,
photos are generated. With --data_dir, a prepared CIFAR-10, or a folder of photos with the model's classes, the images
that each artifact classifies correctly are counted.
"""

import json
import pathlib
import re
import resource
import sys
import tempfile
import time

import numpy as np
import rounds
from absl import app, flags

MODEL = flags.DEFINE_string("model", "resnet50", "Variant, run directory, or .keras file.")
PHOTOS = flags.DEFINE_string("photos", None, "Photos to calibrate int8 with [generated ones].")
DATA_DIR = flags.DEFINE_string("data_dir", None, "Images to count correct answers on [none].")
ROUNDS = flags.DEFINE_integer("rounds", 5, "Rounds over all cases.", lower_bound=1)
FORMATS = flags.DEFINE_string("formats", "", "Regular expression that the artifacts to measure match [all].")
CASE = flags.DEFINE_string("case", None, "Measure this case alone, in this process.")
FOLDER = flags.DEFINE_string("folder", None, "Folder of the artifacts [a temporary one].")
SECONDS, BATCH = 4.0, 16  # that a case is measured at each batch size; images of the larger batch
GENERATED = 100  # photos for calibration

APPLICATIONS = ("keras.applications, predict", "keras.applications, tf.function")
ARTIFACTS = {  # name -> (path, precision)
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


def load():
    """The model to export."""
    import keras_resnet

    is_variant = MODEL.value in keras_resnet.list_models()
    return keras_resnet.create_model(MODEL.value) if is_variant else keras_resnet.load_model(MODEL.value)


def write(case):
    """Exports the artifact of a case; its size, and how many images it and the model classify correctly."""
    import keras_resnet
    from keras_resnet.data import fake_photos

    name, precision = ARTIFACTS[case]
    path = pathlib.Path(FOLDER.value, name)
    calibration = PHOTOS.value or list(fake_photos.photos(GENERATED))
    keras_resnet.export(load(), path, precision=precision, calibration=calibration if precision == "int8" else None)
    files = [path.with_suffix(".bin"), path] if path.suffix == ".xml" else [path, *path.rglob("*")]
    return {"MB": sum(file.stat().st_size for file in files if file.is_file()) / 1e6, **count(path)}


def count(path):
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


def applications(case):
    """A function of a batch of images: keras.applications' ResNet-50."""
    import keras
    import tensorflow as tf

    model = keras.applications.ResNet50(weights=None)
    if case == APPLICATIONS[0]:
        return lambda images: model.predict(images, verbose=0), (224, 224, 3)
    forward = tf.function(lambda images: model(images, training=False))
    return lambda images: forward(tf.constant(images)).numpy(), (224, 224, 3)


def artifact(case):
    """A function of a batch of images: the artifact, opened in its runtime."""
    from keras_resnet.runtimes import open_artifact

    opened = open_artifact(pathlib.Path(FOLDER.value, ARTIFACTS[case][0]))
    return opened, opened.metadata.image_shape


def measure(case):
    """Speed and latency of single images, speed of batches, and the peak of the process's memory."""
    function, shape = (applications if case in APPLICATIONS else artifact)(case)
    single, batch = milliseconds(function, (1, *shape)), milliseconds(function, (BATCH, *shape))
    return {
        "images/s": 1000 / np.median(single),
        "p50 ms": np.median(single),
        "p99 ms": np.percentile(single, 99),
        f"batch {BATCH} images/s": 1000 * BATCH / np.median(batch),
        "memory MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def milliseconds(function, shape):
    """The times of calls with a batch of that shape."""
    images = np.random.default_rng(0).uniform(0, 255, shape).astype("float32")
    for _ in range(3):
        function(images)
    times, end = [], time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        function(images)
        times.append(1000 * (time.perf_counter() - start))
    return times


def compare(folder):
    """Exports the artifacts, runs the cases in turn, and prints a table."""
    same = [f"--model={MODEL.value}", f"--folder={folder}"]
    options = [f"--{flag.name}={flag.value}" for flag in (PHOTOS, DATA_DIR) if flag.value]
    written = {}
    for case in ARTIFACTS:
        if re.search(FORMATS.value, case):
            written[case] = rounds.run(sys.executable, __file__, f"--case=write {case}", *same, *options)
    cases = [*(APPLICATIONS if MODEL.value == "resnet50" else ()), *filter(written.get, written)]
    found = rounds.medians(
        cases, ROUNDS.value, lambda case: rounds.run(sys.executable, __file__, f"--case={case}", *same)
    )
    print(f"{rounds.machine()}; commit {rounds.commit()}; {MODEL.value}; medians of {ROUNDS.value} rounds.\n")
    columns = ["p50 ms", "p99 ms", "images/s", f"batch {BATCH} images/s", "memory MB"]
    print(f"| | {' | '.join(columns)} | size MB | correct |")
    print("|---" * (len(columns) + 3) + "|")
    for case, numbers in found.items():
        file = written.get(case, {})
        correct = f"{file['correct']} of {file['of']}" if "correct" in file else ""
        size = f"{file['MB']:.1f}" if file else ""
        print(f"| {case} | {' | '.join(f'{numbers[name]:.4g}' for name in columns)} | {size} | {correct} |")
    print()
    for name, reference in (("images/s", APPLICATIONS[0]), (columns[3], APPLICATIONS[1])):
        for case in written if reference in found else ():
            if case in found:
                print(f"{case} / {reference}, {name}: {found[case][name] / found[reference][name]:.2f}")


def main(_):
    """Measures one case, or writes its artifact, in a process of its own; or compares all."""
    if CASE.value:
        task, case = (write, CASE.value[6:]) if CASE.value.startswith("write ") else (measure, CASE.value)
        print(json.dumps({name: float(value) for name, value in task(case).items()}))
    else:
        with tempfile.TemporaryDirectory() as folder:
            compare(FOLDER.value or folder)


if __name__ == "__main__":
    app.run(main)
