"""How fast training steps are: this package against keras.applications, stock Keras layers, torchvision and PyTorch.

    python benchmarks/throughput.py [--rounds=3] [--torch_python=PYTHON] [--cases=REGEX]

Each case runs in a fresh process, the cases in turn, for several rounds; medians are printed, and ratios. A step is
forward, backward and SGD with momentum on one batch that lies in memory, so that no input pipeline counts. On a CPU,
XLA and torch.compile are off (both are slower there for Keras); on a GPU, Keras's default (XLA where the backend has
it) and torch.compile are taken. PyTorch is measured with the Python that --torch_python names, in channels_last.
The Keras cases run on whatever backend Keras is configured for.
"""

import functools
import json
import re
import statistics
import sys
import time

import numpy as np
import rounds
from absl import app, flags

ROUNDS = flags.DEFINE_integer("rounds", 3, "Rounds over all cases.", lower_bound=1)
TORCH_PYTHON = flags.DEFINE_string("torch_python", sys.executable, "Python that has PyTorch and torchvision.")
CASES_WANTED = flags.DEFINE_string("cases", "^(?!checkpoints)", "Regular expression that the cases to run match.")
CASE = flags.DEFINE_string("case", None, "Run this case alone, in this process.")
BATCH = flags.DEFINE_integer("batch", 16, "Images in a batch of ResNet-50.", lower_bound=1)
WARM_UP, SECONDS = 3, 15.0  # steps before the clock starts; seconds that a case is measured

RATIOS = (
    ("resnet50 bfloat16: ours", "resnet50 bfloat16: keras.applications"),
    ("resnet50 bfloat16: ours", "resnet50 bfloat16: torchvision"),
    ("resnet50 float32: ours", "resnet50 float32: keras.applications"),
    ("resnet50 float32: ours", "resnet50 float32: torchvision"),
    ("resnet20 bfloat16: ours", "resnet20 bfloat16: stock layers"),
    ("resnet20 bfloat16: ours", "resnet20 bfloat16: PyTorch"),
)
TRAINING_ARITHMETIC = 3 * 2  # forward, and backward to inputs and weights; a multiply-add is two operations


# ---------------------------------------------------------------------------------------------
# Steps: functions of nothing that train on one batch


def batch_of(size, batch, classes):
    """Images in 0 to 255, and labels."""
    random = np.random.default_rng(0)
    return random.integers(0, 256, (batch, size, size, 3)).astype("float32"), random.integers(0, classes, batch)


def keras_step(build, precision, size, batch, classes):
    """A step of `fit` for the model that `build` makes under a precision, and its multiply-adds for the batch."""
    import keras

    from keras_resnet import multiply_adds

    keras.config.set_dtype_policy(precision)
    model = build()
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9), keras.losses.SparseCategoricalCrossentropy(), jit_compile=jit()
    )
    images, labels = batch_of(size, batch, classes)
    if keras.backend.backend() != "tensorflow":
        images, labels = map(keras.ops.convert_to_tensor, (images, labels))
        return lambda: float(model.train_on_batch(images, labels)), batch * multiply_adds(model)
    import tensorflow as tf

    model.make_train_function()
    iterator = iter(tf.data.Dataset.from_tensors((images, labels)).repeat())
    return lambda: float(model.train_function(iterator)["loss"]), batch * multiply_adds(model)


def jit():
    """Keras's own choice, but not on a CPU."""
    import keras

    return "auto" if keras.backend.backend() != "tensorflow" or on_gpu() else False


def on_gpu():
    """Whether Keras has a GPU."""
    import keras

    return any("gpu" in device.lower() or "cuda" in device.lower() for device in keras.distribution.list_devices())


def ours(name, **options):
    """This package's variant of that name."""
    import keras_resnet

    return keras_resnet.create_model(name, **options)


def applications():
    """ResNet-50 of keras.applications."""
    import keras

    return keras.applications.ResNet50(weights=None)


def stock_layers(name):
    """The same net with Keras's own batch normalization."""
    import keras

    import keras_resnet

    def stock(layer):
        if isinstance(layer, keras_resnet.layers.BatchNormalization):
            return keras.layers.BatchNormalization.from_config(layer.get_config())
        return layer.__class__.from_config(layer.get_config())

    model = keras.models.clone_model(keras_resnet.create_model(name), clone_function=stock)
    return keras.Model(model.inputs, model.outputs)


def torch_step(build, autocast, size, batch, classes):
    """A step of PyTorch, channels last."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    images, labels = batch_of(size, batch, classes)
    images = torch.tensor(images / 255).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last).to(device)
    labels = torch.tensor(labels).to(device)
    model = build().to(device).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
    forward = torch.compile(model) if device == "cuda" else model

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=autocast):
            loss = torch.nn.functional.cross_entropy(forward(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step, None


def torchvision_resnet50():
    """ResNet-50 of torchvision."""
    from torchvision.models import resnet50

    return resnet50()


def torch_resnet20():
    """The paper's CIFAR net (section 4.2) in PyTorch, with option A."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
            self.stride, self.new = stride, outputs - inputs

        def forward(self, x):
            y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
            if self.new:
                x = nn.functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new))
            return torch.relu(x + y)

    blocks, inputs = [], 16
    for outputs in (16, 32, 64):
        for _ in range(3):
            blocks.append(Block(inputs, outputs, 1 if inputs == outputs else 2))
            inputs = outputs
    stem = (nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def imagenet(step, build, precision):
    """The case of a step on images of 224 x 224 in 1,000 classes."""
    return lambda: step(build, precision, 224, BATCH.value, 1000)


def cifar(step, build, precision):
    """The case of a step on 128 images of 32 x 32 in 10 classes."""
    return lambda: step(build, precision, 32, 128, 10)


# case -> (what makes its step, images a step)
STEPS = {
    "resnet50 bfloat16: ours": imagenet(keras_step, functools.partial(ours, "resnet50"), "mixed_bfloat16"),
    "resnet50 bfloat16: keras.applications": imagenet(keras_step, applications, "mixed_bfloat16"),
    "resnet50 bfloat16: torchvision": imagenet(torch_step, torchvision_resnet50, True),
    "resnet50 float32: ours": imagenet(keras_step, functools.partial(ours, "resnet50"), "float32"),
    "resnet50 float32: keras.applications": imagenet(keras_step, applications, "float32"),
    "resnet50 float32: torchvision": imagenet(torch_step, torchvision_resnet50, False),
    "resnet20 bfloat16: ours": cifar(keras_step, functools.partial(ours, "resnet20_cifar"), "mixed_bfloat16"),
    "resnet20 bfloat16: stock layers": cifar(
        keras_step, functools.partial(stock_layers, "resnet20_cifar"), "mixed_bfloat16"
    ),
    "resnet20 bfloat16: PyTorch": cifar(torch_step, torch_resnet20, True),
}


# ---------------------------------------------------------------------------------------------
# Measurements: each gives a dict of numbers


def measure_step(case):
    """Images a second by the median step, and the operations a second of ours."""
    step, multiply_adds = STEPS[case]()
    for _ in range(WARM_UP):
        step()
    seconds, end = [], time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(seconds) < 5:
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds)
    images = BATCH.value if case.startswith("resnet50") else 128
    operations = TRAINING_ARITHMETIC * multiply_adds / median / 1e9 if multiply_adds else 0.0
    return {"images/s": images / median, "GFLOP/s": operations}


def measure_matrix_product(case):
    """The rate of a 4096 x 4096 matrix product: what the machine can do at most."""
    import keras

    dtype = case.removeprefix("matrix product ")
    left, right = (keras.random.normal((4096, 4096), dtype=dtype) for _ in range(2))
    product = keras.ops.matmul
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        product = tf.function(product)
    elif keras.backend.backend() == "jax":
        import jax

        product = jax.jit(product)
    seconds = []
    for _ in range(10):
        start = time.perf_counter()
        float(product(left, right)[0, 0])
        seconds.append(time.perf_counter() - start)
    return {"GFLOP/s": 2 * 4096**3 / min(seconds[2:]) / 1e9}


def measure_train(case):
    """Images a second of bare steps, of Keras's `fit` on a batch in memory, and of `keras_resnet.train`, all of it."""
    import pathlib
    import tempfile

    import keras
    import tensorflow as tf

    import keras_resnet
    from keras_resnet.run_directory import Run
    from keras_resnet.training.building import build_model

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.ends = []

        def on_train_batch_end(self, batch, logs=None):
            self.ends.append(time.perf_counter())

    name, size, batch, classes, batches, steps = OVERHEADS[case]
    images, labels = batch_of(size, batches * batch, classes)
    recipe = keras_resnet.Recipe(epochs=2, batch_size=batch, learning_rate=0.001, precision="mixed_bfloat16")
    data = keras_resnet.load_data((images.astype("uint8"), labels), recipe)
    model = build_model(name, data, recipe)
    with tempfile.TemporaryDirectory() as folder:
        keras_resnet.train(model, data, recipe, pathlib.Path(folder, "run"), verbose=0)
        trained = Run(pathlib.Path(folder, "run")).log()[-1]["images_per_second"]
    in_memory = tf.data.Dataset.from_tensors((data.train.images[:batch], data.train.labels[:batch])).repeat()
    clock, iterator, bare, fitted = Clock(), iter(in_memory), [], []
    for _ in range(5):  # in turn, since speeds drift
        for _ in range(steps):
            start = time.perf_counter()
            float(model.train_function(iterator)["loss"])
            bare.append(time.perf_counter() - start)
        model.fit(in_memory, steps_per_epoch=1 + steps, callbacks=[clock], verbose=0)
        fitted += np.diff(clock.ends).tolist()
    return {
        "step images/s": batch / statistics.mean(bare),  # as `train` counts, too
        "fit images/s": batch / statistics.mean(fitted),
        "train images/s": trained,
    }


def measure_checkpoints(case):
    """The share of its time that a run of ResNet-50 spends on checkpoints, by default."""
    import pathlib
    import tempfile

    import keras_resnet
    from keras_resnet.training import callbacks, trainer

    minutes, spent, save = 5, [], callbacks.save_checkpoint

    def timed_save(*arguments):
        start = time.perf_counter()
        save(*arguments)
        spent.append(time.perf_counter() - start)

    callbacks.save_checkpoint = timed_save
    images, labels = batch_of(224, 64, 10)
    labels[:10] = range(10)
    # One long epoch, as ImageNet's.
    copies = minutes * 60 * 15 // 64
    arrays = np.tile(images.astype("uint8"), (copies, 1, 1, 1)), np.tile(labels, copies)
    recipe = keras_resnet.Recipe(epochs=1, batch_size=16, learning_rate=0.001, precision="mixed_bfloat16")
    data = keras_resnet.load_data(arrays, recipe)
    trainer.finish = lambda *_: None  # the training alone
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        keras_resnet.train("resnet50", data, recipe, pathlib.Path(folder, "run"), verbose=0)
        total = time.perf_counter() - start
    return {"% of the time": 100 * sum(spent) / total, "checkpoints": len(spent), "s in all": total}


def measure_import(case):
    """Seconds to import, after Keras, and to build ResNet-50."""
    import keras

    start = time.perf_counter()
    if case.endswith("ours"):
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


OVERHEADS = {
    # model, size, batch, classes, batches an epoch (the second: as CIFAR-10), steps measured in turn
    "overhead resnet50": ("resnet50", 224, 16, 10, 12, 3),
    "overhead resnet20": ("resnet20_cifar", 32, 128, 10, 352, 20),
}
MEASURES = {
    **dict.fromkeys(STEPS, measure_step),
    "matrix product float32": measure_matrix_product,
    "matrix product bfloat16": measure_matrix_product,
    **dict.fromkeys(OVERHEADS, measure_train),
    "checkpoints": measure_checkpoints,
    "import and build: ours": measure_import,
    "import and build: keras.applications": measure_import,
}


def compare():
    """Runs the cases in turn; prints their medians, and ratios."""

    def run_case(case):
        python = TORCH_PYTHON.value if case.endswith(("torchvision", "PyTorch")) else sys.executable
        return rounds.run(python, __file__, f"--case={case}", f"--batch={BATCH.value}")

    wanted = [case for case in MEASURES if re.search(CASES_WANTED.value, case)]
    found = rounds.medians(wanted, ROUNDS.value, run_case)
    print(f"{rounds.machine()}; commit {rounds.commit()}; medians of {ROUNDS.value} rounds.\n")
    print("| case | |\n|---|---|")
    for case, numbers in found.items():
        print(f"| {case} | {', '.join(f'{value:.4g} {name}' for name, value in numbers.items() if value)} |")
    print()
    for mine, other in RATIOS:
        if mine in found and other in found:
            print(f"{mine} / {other.split(': ')[1]}: {found[mine]['images/s'] / found[other]['images/s']:.2f}")
    for case, numbers in found.items():
        limit = found.get(f"matrix product {'bfloat16' if 'bfloat16' in case else 'float32'}")
        if case in STEPS and limit and numbers["GFLOP/s"]:
            print(f"{case}: {numbers['GFLOP/s'] / limit['GFLOP/s']:.0%} of the rate of a matrix product")
        for loop in ("fit", "train") if case in OVERHEADS else ():
            above = numbers["step images/s"] / numbers[f"{loop} images/s"] - 1
            print(f"{case}: {loop} takes {above:+.1%} above the bare steps")


def main(_):
    """Measures one case, in a process of its own, or compares all."""
    if CASE.value:
        print(json.dumps(MEASURES[CASE.value](CASE.value)))
    else:
        compare()


if __name__ == "__main__":
    app.run(main)
