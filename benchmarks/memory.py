"""How much memory an image takes: this package's ResNet-50 against those of its peers, in training and inference.

    python benchmarks/memory.py [--rounds=5] [--torch_python=PYTHON] [--only=REGEX] [--quick]

A case runs two batch sizes, each in a fresh process, and reads the peak of the process's resident memory. The slope
is the memory of an image; the rest is that of the program and the weights. Linux only.
"""

import functools

import networks
from program import Benchmark, or_small, resident_memory
from rounds import Numbers, Ratio

PEERS = ("keras.applications", "keras_hub", "torchvision", "timm")
BATCHES = (8, 32)
STEPS = 3
MAKERS = {"training": networks.training_step, "inference": networks.forward_pass}


def peak(kind: str, precision: str, peer: str, batch: int) -> Numbers:
    """The peak of this process's memory after a few steps."""
    step = MAKERS[kind](peer, networks.imagenet(precision, or_small(batch, 2 if batch == BATCHES[0] else 4)))
    for _ in range(STEPS):
        step()
    return {"peak MB": resident_memory("VmHWM")}


def slope(case: str) -> Numbers:
    """Memory of an image, and what does not depend on the number of images."""
    small, large = (BENCHMARK.run_part(part_name(case, batch))["peak MB"] for batch in BATCHES)
    image = (large - small) / (BATCHES[1] - BATCHES[0])
    return {"MB an image": image, f"peak MB, batch {BATCHES[1]}": large, "MB of the rest": small - BATCHES[0] * image}


def part_name(case: str, batch: int) -> str:
    """The part of a case with a batch size."""
    return f"{case}, batch {batch}"


RECOMPUTED = "ours, recomputed"  # in the backward pass, by `recompute_blocks`
TASKS = [
    (kind, precision, peer)
    for kind in MAKERS
    for precision in ("bfloat16", "float32")
    for peer in ("ours", *((RECOMPUTED,) if kind == "training" else ()), *PEERS)
]
BENCHMARK = Benchmark(
    __file__,
    f"Peak resident memory with ResNet-50 and images of 224 x 224, from batches of {BATCHES[0]} and {BATCHES[1]} in "
    "fresh processes: the slope is the memory of an image, and the intercept that of the program, the weights, and the "
    "optimizer.",
    {
        f"{kind} {precision}: {peer}": functools.partial(slope, f"{kind} {precision}: {peer}")
        for kind, precision, peer in TASKS
    },
    parts={
        part_name(f"{kind} {precision}: {peer}", batch): functools.partial(peak, kind, precision, peer, batch)
        for kind, precision, peer in TASKS
        for batch in BATCHES
    },
    ratios=[
        Ratio(f"{kind} {precision}: ours", f"{kind} {precision}: {peer}", "MB an image")
        for kind, precision, peer in TASKS
        if peer != "ours"
    ],
)

if __name__ == "__main__":
    BENCHMARK.start()
