"""The limit of a training step, layer by layer: each shape of a convolution, timed alone.

    python benchmarks/layers.py [--network=resnet50] [--precision=bfloat16] [--quick]

A row has the time of each pass, its rate, and the limit by its bytes, at the bandwidth of a copy. `throughput.py`
prints the sums.
"""

import functools

import limit
import networks
import page
import rounds
from absl import app, flags
from program import median_seconds

NETWORK = flags.DEFINE_enum("network", "resnet50", ["resnet50", "resnet20"], "Network.")
PRECISION = flags.DEFINE_enum("precision", "bfloat16", ["bfloat16", "float32"], "Precision of the convolutions.")


def main(_):
    """Prints the table."""
    task = (networks.imagenet if NETWORK.value == "resnet50" else networks.cifar)(PRECISION.value)
    seconds = functools.partial(median_seconds, seconds=0.5)
    rate = limit.bandwidth(seconds)
    rows = []
    for row in limit.convolution_rows(networks.keras_model("ours", task), task.batch, rate, seconds):
        speeds = {name: 2 * row.multiply_adds / alone / 1e9 for name, alone in row.alone.items()}
        cells = [
            f"{1000 * row.alone[name]:.2f} ({speeds[name]:.0f})" if name in speeds else ""
            for name in ("forward", "inputs", "weights")
        ]
        rows.append(
            [row.name, str(row.count), *cells, f"{1000 * row.by_bytes:.2f}", f"{1000 * row.count * row.limit:.1f}"]
        )
    print(f"{rounds.machine()}; commit {rounds.commit()}; {rate / 1e9:.1f} GB/s.\n")
    passes = [f"{name} ms (GFLOP/s)" for name in ("forward", "inputs", "weights")]
    print(page.table(["convolution", "times", *passes, "bytes ms", "limit ms"], rows))


if __name__ == "__main__":
    app.run(main)
