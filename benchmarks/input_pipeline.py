"""How fast images reach the model: this package's input pipeline against torchvision's and Keras's.

    python benchmarks/input_pipeline.py --photos=PHOTOS [--rounds=5] [--torch_python=PYTHON] [--only=REGEX] [--quick]

PHOTOS is a folder of JPEG files, which the program reads repeatedly. Each case runs in a fresh process, the cases in
turn, for several rounds. "decode whole" is the limit of a pipeline that decodes every JPEG whole (libjpeg-turbo).
torchvision is measured with the Python that --torch_python names. Memory is that held after 2,000 and 20,000 images.
"""

import functools
import os
import pathlib
import resource
import time
from collections.abc import Iterable

import numpy as np
from program import PHOTOS, Benchmark, or_small
from rounds import Numbers, Ratio, paths_of
from torchvision_import import import_torchvision

SIZE, BATCH_SIZE, IMAGES = 224, 64, 3200  # of a case, in each round
READ = (2_000, 20_000)  # images after which the memory is read
WHOLE, KERAS_RANDAUGMENT = "decode whole", "randaugment: Keras"


def ours(paths, case):
    """Batches of this package's pipeline."""
    import keras
    import tensorflow as tf

    from keras_resnet import Recipe
    from keras_resnet.data.batches import training_batches
    from keras_resnet.data.examples import Files

    common = dict(batch_size=BATCH_SIZE, flip=True)
    recipes = {
        "crop": Recipe(crop="random_resized", **common),
        "paper": Recipe(crop="scale_jitter", pca_lighting=0.1, **common),
        "randaugment": Recipe(crop="random_resized", auto_augment="randaugment", **common),
        KERAS_RANDAUGMENT: Recipe(crop="random_resized", **common),
    }
    if case == WHOLE:

        def decode(path):
            image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3, dct_method="INTEGER_ACCURATE")
            return image[:1, :1]

        return tf.data.Dataset.from_tensor_slices(paths).map(decode, tf.data.AUTOTUNE).batch(BATCH_SIZE).prefetch(2)
    layer = keras.layers.RandAugment(value_range=(0, 255)) if case == KERAS_RANDAUGMENT else None
    if layer:
        layer(np.zeros((1, SIZE, SIZE, 3), "float32"))
    examples = Files(pathlib.Path("/"), np.array([path.lstrip("/") for path in paths]), np.zeros(len(paths), "int32"),
                     (SIZE, SIZE, 3))  # fmt: skip
    return training_batches(examples, recipes[case.removesuffix(": ours")], layer=layer)


def torchvisions(paths, case):
    """Batches of torchvision's transforms and PyTorch's DataLoader."""
    import random

    import torch
    from PIL import Image

    transforms = import_torchvision().transforms

    class Lighting:
        values = torch.tensor([0.2175, 0.0188, 0.0045])
        vectors = torch.tensor([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])

        def __call__(self, image):
            return image + (self.vectors @ (self.values * torch.randn(3) * 0.1))[:, None, None]

    class RandomSide:
        def __call__(self, image):
            return transforms.functional.resize(image, random.randint(256, 480))

    crop = [transforms.RandomResizedCrop(SIZE), transforms.RandomHorizontalFlip()]
    paper = [RandomSide(), transforms.RandomCrop(SIZE), transforms.RandomHorizontalFlip()]
    steps = {
        "crop: torchvision": [*crop, transforms.PILToTensor()],
        "crop float: torchvision": [*crop, transforms.ToTensor()],
        "paper: torchvision": [*paper, transforms.ToTensor(), Lighting()],
    }
    transform = transforms.Compose(steps[case])

    class Photos(torch.utils.data.Dataset):
        def __len__(self):
            return len(paths)

        def __getitem__(self, index):
            with pathlib.Path(paths[index]).open("rb") as file:
                return transform(Image.open(file).convert("RGB"))

    return torch.utils.data.DataLoader(Photos(), BATCH_SIZE, num_workers=2)


def speed(case: str) -> Numbers:
    """Images a second after the first batches, and of a core."""
    count = or_small(IMAGES // 5 if case == KERAS_RANDAUGMENT else IMAGES, BATCH_SIZE)
    paths = paths_of(PHOTOS.value, max(count + 4 * BATCH_SIZE, 8 * BATCH_SIZE))
    batches = iter((torchvisions if case.endswith("torchvision") else ours)(paths, case))
    for _ in range(4):  # more than are made ahead
        next(batches)
    start, read = time.perf_counter(), 0
    while read < count:
        read += size_of(next(batches))
    rate = read / (time.perf_counter() - start)
    return {"images/s": rate, "images/s of a core": rate / len(os.sched_getaffinity(0))}


def size_of(batch: Iterable) -> int:
    """The number of images of a batch, with or without labels."""
    return len(batch[0] if isinstance(batch, (tuple, list)) else batch)


def memory() -> Numbers:
    """The resident memory after some and after many images."""
    batches, read, found = iter(ours(paths_of(PHOTOS.value, or_small(4000, 512)), "crop: ours")), 0, {}
    for images in or_small(READ, (64, 128)):
        while read < images:
            read += size_of(next(batches))
        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
        found[f"MB after {images} images"] = pages * resource.getpagesize() / 1e6
    return found


CASES = (
    WHOLE, "crop: ours", "crop: torchvision", "crop float: torchvision", "paper: ours", "paper: torchvision",
    "randaugment: ours", KERAS_RANDAUGMENT,
)  # fmt: skip
BENCHMARK = Benchmark(
    __file__,
    f"Images per second of the input pipeline: JPEGs to batches of {BATCH_SIZE} images of {SIZE} x {SIZE}. crop: "
    "random resized crop and flip, in uint8; crop float: the same in float32 (torchvision's ToTensor); paper: scale "
    "jitter, crop, flip, and PCA color of the 2015 paper; randaugment: crop and RandAugment. torchvision has 2 "
    "workers.",
    {case: functools.partial(speed, case) for case in CASES},
    once={"memory": memory},
    ratios=[
        Ratio("crop: ours", "crop: torchvision", asked=2.2, why="input-pipeline-input_pipelinepy"),
        Ratio("crop: ours", "crop float: torchvision"),
        Ratio("paper: ours", "paper: torchvision"),
        Ratio("randaugment: ours", KERAS_RANDAUGMENT),
        Ratio("crop: ours", WHOLE),
    ],
    needs=["photos"],
)

if __name__ == "__main__":
    BENCHMARK.start()
