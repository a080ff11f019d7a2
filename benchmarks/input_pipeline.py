"""How fast images reach the model: this package's input pipeline against torchvision's and Keras's.

    python benchmarks/input_pipeline.py PHOTOS [--rounds=3] [--torch_python=PYTHON] [--memory]

PHOTOS is a folder of JPEG files. Each case runs in a fresh process, the cases in turn, for several rounds; the medians
are printed, with the share of the time that decoding the JPEGs alone takes (libjpeg-turbo: the limit). torchvision is
measured with the Python that --torch_python names, if it has it. --memory reads 20,000 images instead and prints the
memory that is held on the way.
"""

import json
import os
import pathlib
import resource
import sys
import time

import numpy as np
import rounds
from absl import app, flags

SIZE = 224
BATCH_SIZE = 64
ROUNDS = flags.DEFINE_integer("rounds", 3, "Rounds over all cases.", lower_bound=1)
IMAGES = flags.DEFINE_integer("images", 3200, "Images of a case, in each round.", lower_bound=2 * BATCH_SIZE)
TORCH_PYTHON = flags.DEFINE_string("torch_python", sys.executable, "Python that has torchvision.")
MEMORY = flags.DEFINE_bool("memory", False, "Print the memory over 20,000 images instead.")
CASE = flags.DEFINE_string("case", None, "Run this case alone, in this process.")

# case -> what it measures
CASES = {
    "decode whole": "every JPEG decoded whole, nothing else",
    "crop": "random resized crop and flip",
    "paper": "scale jitter, crop, flip and PCA color of the 2015 paper",
    "randaugment": "random resized crop, flip and RandAugment",
    "keras randaugment": "random resized crop, flip and keras.layers.RandAugment",
    "torchvision crop": "RandomResizedCrop, RandomHorizontalFlip, PILToTensor; 2 workers",
    "torchvision crop float": "the same with ToTensor, float32",
    "torchvision paper": "Resize to a random side, RandomCrop, flip, ToTensor, PCA color; 2 workers",
}
COMPARED = (
    ("crop", "torchvision crop"),
    ("crop", "torchvision crop float"),
    ("paper", "torchvision paper"),
    ("randaugment", "keras randaugment"),
)


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
        "keras randaugment": Recipe(crop="random_resized", **common),
    }
    if case == "decode whole":

        def decode(path):
            image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3, dct_method="INTEGER_ACCURATE")
            return image[:1, :1]

        return tf.data.Dataset.from_tensor_slices(paths).map(decode, tf.data.AUTOTUNE).batch(BATCH_SIZE).prefetch(2)
    layer = keras.layers.RandAugment(value_range=(0, 255)) if case == "keras randaugment" else None
    if layer:
        layer(np.zeros((1, SIZE, SIZE, 3), "float32"))
    examples = Files(pathlib.Path("/"), np.array([path.lstrip("/") for path in paths]), np.zeros(len(paths), "int32"),
                     (SIZE, SIZE, 3))  # fmt: skip
    return training_batches(examples, recipes[case], layer=layer)


def torchvisions(paths, case):
    """Batches of torchvision's transforms and PyTorch's DataLoader."""
    import random

    import torch
    from PIL import Image
    from torchvision import transforms

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
        "torchvision crop": [*crop, transforms.PILToTensor()],
        "torchvision crop float": [*crop, transforms.ToTensor()],
        "torchvision paper": [*paper, transforms.ToTensor(), Lighting()],
    }
    transform = transforms.Compose(steps[case])

    class Photos(torch.utils.data.Dataset):
        def __len__(self):
            return len(paths)

        def __getitem__(self, index):
            with pathlib.Path(paths[index]).open("rb") as file:
                return transform(Image.open(file).convert("RGB"))

    return torch.utils.data.DataLoader(Photos(), BATCH_SIZE, num_workers=2)


def measure(folder, case):
    """Prints, as JSON, the images a second of a case after its first batches."""
    count = IMAGES.value // 20 if case == "keras randaugment" else IMAGES.value
    paths = rounds.paths_of(folder, max(count + 4 * BATCH_SIZE, 8 * BATCH_SIZE))
    batches = iter(torchvisions(paths, case) if case.startswith("torchvision") else ours(paths, case))
    for _ in range(2):
        next(batches)
    start, read = time.perf_counter(), 0
    while read < count:
        batch = next(batches)
        read += len(batch[0] if isinstance(batch, (tuple, list)) else batch)
    print(json.dumps({"speed": read / (time.perf_counter() - start)}))


def compare(folder):
    """Runs the cases in turn and prints their medians."""

    def run_case(case):
        python = TORCH_PYTHON.value if case.startswith("torchvision") else sys.executable
        return rounds.run(python, __file__, folder, f"--case={case}", f"--images={IMAGES.value}")

    speeds = {case: found["speed"] for case, found in rounds.medians(CASES, ROUNDS.value, run_case).items()}
    cores = len(os.sched_getaffinity(0))
    print(f"{rounds.machine()}.")
    print(f"Images of {folder} to {SIZE} x {SIZE}, batches of {BATCH_SIZE}; medians of {ROUNDS.value} rounds.\n")
    print("| case | what | images/s | images/s a core | JPEG decoding alone |")
    print("|---|---|---|---|---|")
    for case, speed in speeds.items():
        share = "" if case == "decode whole" else f"{speed / speeds['decode whole']:.0%}"
        print(f"| {case} | {CASES[case]} | {speed:.0f} | {speed / cores:.0f} | {share} |")
    print("\nThe last column is the time to decode the JPEGs whole, as a share of the case's; a pipeline that")
    print("decodes only the crop can pass 100 %.\n")
    for mine, other in COMPARED:
        if mine in speeds and other in speeds:
            print(f"{mine} / {other}: {speeds[mine] / speeds[other]:.2f}")


def memory(folder):
    """Prints the resident memory while 20,000 images are read."""
    batches, read = iter(ours(rounds.paths_of(folder, 4000), "crop")), 0
    for image in range(0, 20_001, 2_000):
        while read < image:
            read += len(next(batches)[1])
        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
        print(f"{read:6} images: {pages * resource.getpagesize() / 2**20:.0f} MiB")


def main(argv):
    """Measures one case, in a process of its own, or compares all."""
    if len(argv) != 2:
        sys.exit("usage: input_pipeline.py PHOTOS [--rounds=3] [--torch_python=PYTHON] [--memory]")
    if CASE.value:
        measure(argv[1], CASE.value)
    elif MEMORY.value:
        memory(argv[1])
    else:
        compare(argv[1])


if __name__ == "__main__":
    app.run(main)
