"""How fast the forward pass is in inference: this package's ResNet-50 against those of its peers.

    python benchmarks/forward.py [--rounds=5] [--torch_python=PYTHON] [--only=REGEX] [--quick]

The network is as it trains: nothing is folded or exported (`export.py` measures that). TensorFlow runs a `tf.function`;
PyTorch runs channels_last under `inference_mode`, in bfloat16 by autocast.
"""

import functools
from collections.abc import Callable

import networks
from program import Benchmark, median_seconds
from rounds import Numbers, Ratio

PEERS = ("keras.applications", "keras_hub", "torchvision", "timm")
BATCHES = (1, networks.BATCH_HERE)


def forward(peer: str, task: Callable[[], networks.Task]) -> Numbers:
    """Images a second by the median forward pass."""
    task = task()
    return {"images/s": task.batch / median_seconds(networks.forward_pass(peer, task), seconds=5.0)}


def name(precision: str, batch: int) -> str:
    """What a case computes."""
    return f"{precision}, batch {batch}"


BENCHMARK = Benchmark(
    __file__,
    "Images per second of ResNet-50's forward pass in inference, on images of 224 x 224 in memory. The network is as "
    "it trains, neither folded nor exported.",
    {
        f"{name(precision, batch)}: {peer}": functools.partial(
            forward, peer, functools.partial(networks.imagenet, precision, batch)
        )
        for precision in ("float32", "bfloat16")
        for batch in BATCHES
        for peer in ("ours", *PEERS)
    },
    ratios=[
        Ratio(f"{name(precision, batch)}: ours", f"{name(precision, batch)}: {peer}")
        for precision in ("float32", "bfloat16")
        for batch in (1, networks.CPU_BATCH, networks.GPU_BATCH)
        for peer in PEERS
    ],
)

if __name__ == "__main__":
    BENCHMARK.start()
