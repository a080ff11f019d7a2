"""What a run costs beside its steps: the loops of `fit` and `train`, checkpoints, importing, and building.

    python benchmarks/overhead.py [--rounds=5] [--only=REGEX] [--quick]

`fit` trains on a batch in memory, and `train` shuffles, augments, logs, and saves checkpoints. Both are measured in
turn with bare steps of the same model. A run of `checkpoints` takes over five minutes.
"""

import functools
import pathlib
import statistics
import tempfile
import time
from typing import NamedTuple

import networks
import numpy as np
from program import Benchmark, or_small
from rounds import Numbers, Ratio


class Run(NamedTuple):
    """A training run: a task of this package's network, batches in an epoch, and steps to measure in turn."""

    model: str
    task: networks.Task
    batches: int
    steps: int


def resnet50_run(batches: int) -> Run:
    """ResNet-50 on photos."""
    return Run(or_small("resnet50", "resnet20_cifar"), networks.imagenet(), or_small(batches, 3), or_small(6, 2))


def resnet20_run(batches: int = 352) -> Run:
    """ResNet-20, by default on as many images as CIFAR-10 has."""
    return Run("resnet20_cifar", networks.cifar(), or_small(batches, 3), or_small(60, 2))


def recipe_and_data(run: Run, epochs: int):
    """A recipe, and random images and labels."""
    import keras_resnet

    task = run.task
    images, labels = task.images()
    classes = min(10, len(labels))  # each occurs
    labels[:classes] = range(classes)
    labels %= classes
    arrays = np.tile(images.astype("uint8"), (run.batches, 1, 1, 1)), np.tile(labels, run.batches)
    recipe = keras_resnet.Recipe(
        epochs=epochs,
        batch_size=task.batch,
        learning_rate=0.001,
        pad=4,
        flip=True,
        precision=f"mixed_{task.precision}",
    )
    return recipe, keras_resnet.load_data(arrays, recipe)


def loops(make_run) -> Numbers:
    """Images a second of steps, of `fit`, both on a batch in memory, and of `keras_resnet.train`; and what they add.

    "Input" is steps on the batches of `train`, shuffled and augmented. Speeds drift, so all run in turn with the steps.
    """
    import keras
    import tensorflow as tf

    import keras_resnet
    from keras_resnet.data.batches import training_batches
    from keras_resnet.training.building import build_model

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.ends = []

        def on_train_batch_end(self, batch, logs=None):
            self.ends.append(time.perf_counter())

    class InTurn(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch > 0:  # the first compiles
                beside_train.extend(steps(in_memory))
                trained.append(batch / logs["images_per_second"])

    def steps(iterator):
        ends = [time.perf_counter()]
        for _ in range(1 + run.steps):
            float(model.train_function(iterator)["loss"])
            ends.append(time.perf_counter())
        return np.diff(ends)[1:].tolist()

    run = make_run()
    batch = run.task.batch
    recipe, data = recipe_and_data(run, epochs=or_small(4, 2))
    model = build_model(run.model, data, recipe)
    repeated = tf.data.Dataset.from_tensors((data.train.images[:batch], data.train.labels[:batch])).repeat()
    clock, in_memory, augmented = Clock(), iter(repeated), iter(training_batches(data.train, recipe))
    trained, beside_train, fitted, with_input, beside = [], [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        keras_resnet.train(model, data, recipe, pathlib.Path(folder, "run"), verbose=0, callbacks=[InTurn()])
    for _ in range(or_small(3, 1)):
        beside += steps(in_memory)
        with_input += steps(augmented)
        model.fit(repeated, steps_per_epoch=1 + run.steps, callbacks=[clock], verbose=0)
        fitted += np.diff(clock.ends).tolist()
    step, train, fit = (statistics.mean(seconds) for seconds in (beside + beside_train, trained, fitted))
    return {
        "images/s of steps": batch / step,
        "images/s of fit": batch / fit,
        "images/s of train": batch / train,
        "% of input above the steps": 100 * (statistics.mean(with_input) / statistics.mean(beside) - 1),
        "% of fit": 100 * (fit / statistics.mean(beside) - 1),
        "% of train": 100 * (train / statistics.mean(beside_train) - 1),
    }


def checkpoints() -> Numbers:
    """The share of its time that a run of ResNet-50 spends on checkpoints, by default, in one long epoch."""
    import keras_resnet
    from keras_resnet.training import callbacks, trainer

    spent, save = [], callbacks.save_checkpoint

    def timed_save(*arguments):
        start = time.perf_counter()
        save(*arguments)
        spent.append(time.perf_counter() - start)

    callbacks.save_checkpoint = timed_save
    trainer.finish = lambda *_: None  # the training alone
    run = resnet50_run(batches=280)  # about five minutes
    recipe, data = recipe_and_data(run, epochs=1)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        keras_resnet.train(run.model, data, recipe, pathlib.Path(folder, "run"), verbose=0)
        total = time.perf_counter() - start
    return {
        "% of the time": 100 * sum(spent) / total,
        "checkpoints": len(spent),
        "s of a checkpoint": statistics.median(spent),
        "s of the run": total,
    }


def import_and_build(peer: str) -> Numbers:
    """Seconds to import, after Keras, and to build ResNet-50."""
    import keras

    start = time.perf_counter()
    if peer == "ours":
        import keras_resnet

        build = keras_resnet.ResNet50
    else:
        from keras.applications import ResNet50

        build = functools.partial(ResNet50, weights=None)
    imported = time.perf_counter()
    keras.utils.set_random_seed(0)  # TensorFlow starts
    ready = time.perf_counter()
    build()
    return {"import s": imported - start, "build s": time.perf_counter() - ready}


BENCHMARK = Benchmark(
    __file__,
    "Images per second of bare training steps, of `fit` on a batch in memory, and of `keras_resnet.train`, in "
    "bfloat16; the time of checkpoints; and the seconds to import the package after Keras, and to build ResNet-50.",
    {
        "loops, resnet50": functools.partial(loops, lambda: resnet50_run(batches=12)),
        "loops, resnet20": functools.partial(loops, resnet20_run),
        "import and build: ours": functools.partial(import_and_build, "ours"),
        "import and build: keras.applications": functools.partial(import_and_build, "keras.applications"),
    },
    once={"checkpoints, resnet50": checkpoints},
    ratios=[
        Ratio(
            "loops, resnet20",
            None,
            "% of input above the steps",
            asked=2,
            at_most=True,
            why="overhead-overheadpy",
        ),
        Ratio("import and build: ours", "import and build: keras.applications", "build s"),
    ],
)

if __name__ == "__main__":
    BENCHMARK.start()
