"""How the time of a training step grows with the batch, the size of the images, and the depth of the network.

    python benchmarks/growth.py [--rounds=3] [--torch_python=PYTHON] [--only=REGEX] [--quick]

Fitted are power laws: 1 is proportional growth, and below 1 something does not grow. Batch and size: ResNet-50 in
bfloat16, so 2 is proportional to the pixels of the images. Depth: the CIFAR nets, 128 images.
"""

import functools
from collections.abc import Callable

import networks
from program import Benchmark, median_seconds, or_small
from rounds import Numbers, Ratio, exponent

BATCHES = (1, 2, 4, 8, 16, 32, 64)
SIZES = (96, 128, 160, 224, 320)
DEPTHS = (20, 32, 56, 110)
IMAGENET_PEERS, CIFAR_PEERS = ("keras.applications", "torchvision"), ("PyTorch",)


def growth(
    peer: str, make_task: Callable[[int], networks.Task], values: tuple[int, ...], small: tuple[int, ...]
) -> Numbers:
    """Images a second at each value, and the exponent of the time of a step."""
    tasks = {value: make_task(value) for value in or_small(values, small)}
    seconds = {value: median_seconds(networks.training_step(peer, task), seconds=5.0) for value, task in tasks.items()}
    speeds = {f"{value}": tasks[value].batch / seconds[value] for value in tasks}
    return {**speeds, "exponent": exponent(list(seconds), list(seconds.values()))}


def batch_task(batch: int) -> networks.Task:
    """ResNet-50 with a number of images."""
    return networks.Task("resnet50", "bfloat16", or_small(224, 32), batch)


def size_task(size: int) -> networks.Task:
    """ResNet-50 with a size of images."""
    return networks.Task("resnet50", "bfloat16", size, or_small(16, 2))


def depth_task(depth: int) -> networks.Task:
    """A CIFAR net with a number of layers."""
    return networks.Task(f"resnet{depth}", "bfloat16", or_small(32, 8), or_small(128, 4))


LAWS = {  # name: (task of a value, values, values with --quick, peers)
    "batch": (batch_task, BATCHES, (1, 2), IMAGENET_PEERS),
    "image size": (size_task, SIZES, (32, 64), IMAGENET_PEERS),
    "depth": (depth_task, DEPTHS, (8, 14), CIFAR_PEERS),
}
BENCHMARK = Benchmark(
    __file__,
    "Images per second in training, by the batch and by the size of the images (ResNet-50, bfloat16; by size with 16 "
    "images) and by the depth (CIFAR nets, bfloat16, 128 images). The exponent is that of the power law that fits the "
    "time of a step best.",
    {
        f"{name}: {peer}": functools.partial(growth, peer, task, values, small)
        for name, (task, values, small, peers) in LAWS.items()
        for peer in ("ours", *peers)
    },
    ratios=[
        Ratio(f"{name}: ours", f"{name}: {peer}", f"{value}")
        for name, (_, values, _, peers) in LAWS.items()
        for peer in peers
        for value in values
    ],
)

if __name__ == "__main__":
    BENCHMARK.start()
