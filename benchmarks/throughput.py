"""How fast training steps are: this package against its peers, and against the limit of its layers.

    python benchmarks/throughput.py [--rounds=5] [--torch_python=PYTHON] [--only=REGEX] [--quick]

Each case runs in a fresh process, the cases in turn, for several rounds; medians are printed, and ratios. A step is
forward, backward and SGD with momentum on one batch that lies in memory, so that no input pipeline counts. On a CPU,
XLA compiles only this package's elementwise operations in bfloat16 (`jit_compile="elementwise"`), and torch.compile is
off: more of XLA and torch.compile are slower there. On a GPU, ResNet-50's batch has 256 images, and Keras's default
(XLA where the backend has it) and torch.compile are taken. PyTorch is measured with the Python that --torch_python
names, in channels_last. The Keras cases run on the backend that Keras is configured for, TensorFlow or JAX; on JAX, a
step is the compiled `train_step` of `fit`. `limit.py` says what the limit is.
"""

import functools
from collections.abc import Callable

import limit
import networks
from program import Benchmark, call_seconds, median_seconds, or_small
from rounds import Numbers, Ratio

PASSES, OPERATIONS = 3, 2  # forward, and backward to inputs and weights; operations of a multiply-add
WHY = "training-steps-throughputpy"


def step(peer: str, task: Callable[[], networks.Task]) -> Numbers:
    """Images a second by the median step, and the operations a second of this package's."""
    task = task()
    seconds = median_seconds(networks.training_step(peer, task))
    numbers = {"images/s": task.batch / seconds}
    if peer == "ours":
        from keras_resnet import multiply_adds

        operations = OPERATIONS * PASSES * task.batch * multiply_adds(networks.ours(task))
        numbers["GFLOP/s"] = operations / seconds / 1e9
    return numbers


def step_limit(task: Callable[[], networks.Task]) -> Numbers:
    """The limit of a step of this package's network."""
    task = task()
    return limit.limit(networks.keras_model("ours", task), task.batch, functools.partial(median_seconds, seconds=0.2))


def matrix_product(dtype: str) -> Numbers:
    """The rate of a product of 4096 x 4096 matrices: the most that the machine can do."""
    import keras

    side = or_small(4096, 256)
    left, right = (keras.random.normal((side, side), dtype=dtype) for _ in range(2))
    product = keras.ops.matmul
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        product = tf.function(product)
    elif keras.backend.backend() == "jax":
        import jax

        product = jax.jit(product)
    seconds = min(call_seconds(lambda: float(product(left, right)[0, 0]), seconds=5.0))
    return {"GFLOP/s": OPERATIONS * side**3 / seconds / 1e9}


def cases() -> dict:
    """All cases by name."""
    found = {}
    for precision in ("bfloat16", "float32"):
        resnet50 = functools.partial(networks.imagenet, precision, networks.BATCH_HERE)
        resnet20 = functools.partial(networks.cifar, precision)
        without_xla = ("ours, without XLA",) if precision == "bfloat16" else ()
        for task, name, peers in (
            (resnet50, "resnet50", ("ours", *without_xla, "keras.applications", "torchvision")),
            (resnet20, "resnet20", ("ours", *without_xla, "stock layers", "PyTorch")),
        ):
            for peer in peers:
                found[f"{name} {precision}: {peer}"] = functools.partial(step, peer, task)
            found[f"{name} {precision}: limit"] = functools.partial(step_limit, task)
        found[f"matrix product {precision}"] = functools.partial(matrix_product, precision)
    return found


def ratios() -> list[Ratio]:
    """Against the peers, the limit, and the matrix product."""
    asked = {
        ("resnet50 bfloat16", "torchvision"): {"asked": 1.15, "asked_on_gpu": 1.0},
        ("resnet50 bfloat16", "keras.applications"): {"asked": 1.3},
        ("resnet50 float32", "torchvision"): {"asked": 1.15},
        ("resnet50 float32", "keras.applications"): {"asked": 1.3},
    }
    found = []
    for network, peers in (
        ("resnet50", ("keras.applications", "torchvision")),
        ("resnet20", ("stock layers", "PyTorch")),
    ):
        found.append(Ratio(f"{network} bfloat16: ours", f"{network} bfloat16: ours, without XLA"))
        for precision in ("bfloat16", "float32"):
            task = f"{network} {precision}"
            for peer in peers:
                found.append(Ratio(f"{task}: ours", f"{task}: {peer}", why=WHY, **asked.get((task, peer), {})))
            mine, least = f"{task}: ours", f"{task}: limit"
            found.append(Ratio(mine, least))
            found.append(Ratio(mine, least, other_number="images/s of oneDNN alone", asked=0.85, why=WHY))
            found.append(Ratio(mine, f"matrix product {precision}", "GFLOP/s"))
    return found


BENCHMARK = Benchmark(
    __file__,
    "Images per second in training: forward, backward, and SGD with momentum, on a batch in memory. ResNet-50 with 16 "
    "images of 224 x 224 (on a GPU with 256), and the CIFAR ResNet-20 with 128 images of 32 x 32. The limit is the sum "
    "over the layers, each measured alone; GFLOP/s count 3 x 2 operations per multiply-add of the forward pass.",
    cases(),
    ratios=ratios(),
)

if __name__ == "__main__":
    BENCHMARK.start()
