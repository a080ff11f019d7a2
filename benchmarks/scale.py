"""What synchronous data parallelism costs on n accelerators: measured here on few processes, predicted for many.

    python benchmarks/scale.py measure --output=FILE.json [--photos=PHOTOS] [--processes=1,2,4] [--steps=30]
    python benchmarks/scale.py predict FILE.json [--accelerators=8,64,512] [--images=1.3e6,14e6,300e6] [--plot=FILE.png]

`measure` times training steps of 1, 2 and 4 processes on this machine, each pinned to one core, sums over two of them,
the disk, and the input pipeline. `predict` fits the cost model of scale_model.py to 1 and 2 processes, checks it on 4,
and prints what accelerators would do, in Markdown. Their speed and that of their hosts are flags; docs/scale.md has
the sources of the defaults.
"""

import dataclasses
import json
import math
import pathlib
import sys
from collections.abc import Iterator, Sequence

import numpy as np
import page
import scale_model
from absl import app, flags
from scale_model import Hardware, Job, Link, OneMachine

FLAGS = flags.FLAGS
USAGE = "usage: scale.py measure --output=FILE.json | scale.py predict FILE.json [--accelerators=...] [--images=...]"
SHARE = 0.1  # of the compute time: what takes more is said to limit
MOST = 4096  # accelerators, of the curves and the limits
TEST_IMAGES = 50_000  # as many as in ImageNet's validation split

flags.DEFINE_string("output", None, "JSON file that `measure` writes.")
flags.DEFINE_string("photos", None, "Folder of JPEG files for the input pipeline [generated ones].")
flags.DEFINE_list("processes", ["1", "2", "4"], "Numbers of processes to train with.")
flags.DEFINE_integer("steps", 30, "Training steps to time in each process.", lower_bound=2)

flags.DEFINE_list("accelerators", ["8", "64", "512"], "Numbers of accelerators to predict for.")
flags.DEFINE_list("images", ["1.3e6", "14e6", "300e6"], "Images of an epoch to predict for.")
flags.DEFINE_string("plot", None, "Picture to draw: PNG, SVG or PDF.")
flags.DEFINE_float("rate", 2470, "Images per second that one accelerator trains on.", lower_bound=0)
flags.DEFINE_float("batch", 256, "Images of a step for each accelerator.", lower_bound=1)
flags.DEFINE_float("largest_batch", 8192, "Most images of a step over all accelerators.", lower_bound=1)
flags.DEFINE_float("parameters", 25_557_032, "Parameters of the model.", lower_bound=1)
flags.DEFINE_integer("per_host", 8, "Accelerators of a host.", lower_bound=1)
flags.DEFINE_float("host_bandwidth", 232e9, "Bytes per second of a sum inside a host.", lower_bound=0)
flags.DEFINE_float("network_bandwidth", 86e9, "Bytes per second of a sum over hosts.", lower_bound=0)
flags.DEFINE_float("latency", 10e-6, "Seconds for a message between accelerators.", lower_bound=0)
flags.DEFINE_integer("cores", 96, "CPU cores of a host.", lower_bound=1)
flags.DEFINE_float("read_bandwidth", 16e9, "Bytes per second that a host reads.", lower_bound=0)
flags.DEFINE_float("image_bytes", 104e3, "Bytes of an image file.", lower_bound=0)


def main(argv: list[str]) -> None:
    """Measures, or predicts from measurements."""
    match argv[1:]:
        case ["measure"] if FLAGS.output:
            import scale_measure  # it starts TensorFlow

            from keras_resnet.files import write_text

            output = pathlib.Path(FLAGS.output).resolve()
            if not output.parent.is_dir():
                sys.exit(f"--output: there is no folder {output.parent}.")
            processes = [int(count) for count in FLAGS.processes]
            found = scale_measure.measure(processes, FLAGS.steps, FLAGS.photos, output.parent)
            write_text(output, json.dumps(found, indent=1) + "\n")
        case ["predict", path]:
            predict(read(path))
        case _:
            sys.exit(USAGE)


def read(path: str) -> dict:
    """The measurements in a file; ends the program with a sentence if it has none."""
    try:
        measured = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        measured["images_per_core"]
    except (OSError, ValueError, LookupError, TypeError):
        sys.exit(f"{path} holds no measurements; make them with: scale.py measure --output={path}")
    return measured


def predict(measured: dict) -> None:
    """Prints the check of the model on this machine, and its predictions."""
    jobs = {float(images): job_of(measured, float(images)) for images in FLAGS.images}
    hardware, accelerators = hardware_of(measured), [int(count) for count in FLAGS.accelerators]
    tables = {
        "Measured here": measurements(measured),
        "Steps of several processes here": check(measured),
        "Steps on accelerators": steps(accelerators, hardware, next(iter(jobs.values()))),
        "What limits first": first_limits(hardware, next(iter(jobs.values()))),
        "Epochs": epochs(accelerators, hardware, jobs),
    }
    print(f"Measured on {measured['machine']}; commit {measured['commit']}.")
    for title, rows in tables.items():
        head, *others = rows
        print(f"\n{title}:\n\n{page.table(head, others)}")
    if FLAGS.plot:
        draw(hardware, jobs, FLAGS.plot)


def three_digits(value: float) -> str:
    """A number that is not negative, with at least three digits and no exponent."""
    return f"{value:,.{max(0, 2 - math.floor(math.log10(value)))}f}" if value else "0"


def milliseconds(seconds: float) -> str:
    """Seconds as milliseconds, with at least three digits."""
    return three_digits(1e3 * seconds)


# ---------------------------------------------------------------------------------------------
# This machine


def fitted(measured: dict, name: str) -> OneMachine | None:
    """The model of a net's steps here, fitted to as many processes as cores; None if these were not measured."""
    steps, cores = measured["steps"][name], measured["cores"]
    if str(cores) not in steps or cores == 1:
        return None
    size = scale_model.FLOAT32 * measured["parameters"][name]
    link = scale_model.fitted_link(measured["sums"])
    machine = OneMachine(measured["alone"][name], cores, link, size)
    return machine.fitted(cores, float(np.mean(steps[str(cores)])))


def measurements(measured: dict) -> Iterator[list[str]]:
    """What the predictions take from this machine."""
    yield ["what", "value"]
    yield ["images that a core prepares", f"{measured['images_per_core']:.0f} per second"]
    yield ["writing a file", f"{measured['write_bandwidth'] / 1e6:.0f} MB/s"]
    interval = scale_model.checkpoint_interval(FLAGS.parameters, measured["write_bandwidth"])
    yield ["checkpoints that take 1 % of the time", f"one every {interval:.0f} s"]
    if measured["sums"]:
        link = scale_model.fitted_link(measured["sums"])
        yield ["sums of two processes", f"{link.bandwidth / 1e6:.0f} MB/s, {1e6 * link.latency:.0f} µs for a message"]
    for name, seconds in measured["alone"].items():
        low, middle, high = np.quantile(seconds, (0.05, 0.5, 0.95)) / np.mean(seconds)
        yield [f"step of {name}, 5 %, 50 %, 95 % quantile / mean", f"{low:.2f}, {middle:.2f}, {high:.2f}"]


def check(measured: dict) -> Iterator[list[str]]:
    """Means of the measured step times beside those of the model, which is fitted to as many processes as cores."""
    yield ["net", "processes", "measured, ms", "model, ms", "model / measured"]
    for name, steps in measured["steps"].items():
        machine = fitted(measured, name)
        for count, seconds in sorted(steps.items(), key=lambda item: int(item[0])):
            time = float(np.mean(seconds))
            model = machine.step(int(count)) if machine else None
            used = "fitted" if int(count) == measured["cores"] else f"{model / time:.2f}" if model else ""
            yield [name, count, milliseconds(time), milliseconds(model) if model else "", used]


# ---------------------------------------------------------------------------------------------
# Accelerators


def hardware_of(measured: dict) -> Hardware:
    """The flags, with the stragglers of this machine."""
    alone = np.concatenate([np.divide(seconds, np.mean(seconds)) for seconds in measured["alone"].values()])
    return Hardware(
        FLAGS.rate,
        FLAGS.per_host,
        Link(FLAGS.host_bandwidth, FLAGS.latency, tree=True),
        Link(FLAGS.network_bandwidth, FLAGS.latency, tree=True),
        FLAGS.cores,
        FLAGS.read_bandwidth,
        tuple(alone),
    )


def job_of(measured: dict, images: float) -> Job:
    """The flags, with the input pipeline of this machine."""
    return Job(
        images,
        TEST_IMAGES,
        FLAGS.parameters,
        FLAGS.batch,
        FLAGS.largest_batch,
        FLAGS.image_bytes,
        measured["images_per_core"],
    )


def variants(job: Job) -> dict[str, Job]:
    """The job as this package does it, and what would change it, by name."""
    folder = dataclasses.replace(job, records=False)
    return {
        "record set": job,
        "photo folder": folder,
        "photo folder, sums hidden": dataclasses.replace(folder, overlap=1.0),
        "photo folder, any batch": dataclasses.replace(folder, largest_batch=float("inf")),
    }


def steps(accelerators: Sequence[int], hardware: Hardware, job: Job) -> Iterator[list[str]]:
    """The parts of a step in milliseconds, images per second, and the efficiency."""
    yield ["accelerators", "images from", "batch", "compute", "stragglers", "all-reduce", "reading", "decoding",
           "images/s", "efficiency"]  # fmt: skip
    for count in accelerators:
        for name, variant in variants(job).items():
            each = scale_model.step(count, hardware, variant)
            parts = [milliseconds(part) for part in (each.compute, *each.lost.values())]
            speed = f"{each.batch / each.seconds:,.0f}"
            yield [str(count), name, f"{each.batch:.0f}", *parts, speed, f"{each.efficiency:.0%}"]


def first_limits(hardware: Hardware, job: Job) -> Iterator[list[str]]:
    """For each part, from how many accelerators on it costs more than a share of the compute time."""
    yield ["images from", *(part.replace("_", "-") for part in scale_model.step(1, hardware, job).lost)]
    for name, variant in variants(job).items():
        found = scale_model.limits(hardware, variant, SHARE, MOST)
        yield [name, *(str(count) if count else f"over {MOST}" for count in found.values())]


def epochs(accelerators: Sequence[int], hardware: Hardware, jobs: dict[float, Job]) -> Iterator[list[str]]:
    """Times of an epoch, and what evaluation and checkpoints add to it."""
    yield ["images", "accelerators", "training, s", "evaluation, s", "evaluation by one accelerator, s",
           "checkpoints, s", "most lost to"]  # fmt: skip
    for images, job in jobs.items():
        folder = dataclasses.replace(job, records=False)
        for count in accelerators:
            each, its_step = (of(count, hardware, folder) for of in (scale_model.epoch, scale_model.step))
            parts = {part: each.training / its_step.seconds * seconds for part, seconds in its_step.lost.items()}
            parts |= {"evaluation": each.evaluation, "checkpoints": each.checkpoints}
            worst = max(parts, key=parts.__getitem__).replace("_", "-")
            times = (each.training, each.evaluation, each.evaluation_on_one, each.checkpoints)
            yield [f"{images:,.0f}", str(count), *map(three_digits, times), worst]


def draw(hardware: Hardware, jobs: dict[float, Job], path: str) -> None:
    """Draws speed and the time of an epoch against the number of accelerators."""
    from keras_resnet.reporting.style import figure

    counts = 2 ** np.arange(int(np.log2(MOST)) + 1)
    job = next(iter(jobs.values()))
    with figure(path, size=(10.0, 5.2)) as drawn:
        speed, time = drawn.subplots(1, 2)
        speed.plot(counts, counts * hardware.rate, color="gray", linewidth=1, label="ideal")
        for name, variant in variants(job).items():
            found = [scale_model.step(int(count), hardware, variant) for count in counts]
            speed.plot(counts, [each.batch / each.seconds for each in found], label=name)
        for images, each in jobs.items():
            folder = dataclasses.replace(each, records=False)
            training = [scale_model.epoch(int(count), hardware, folder).training for count in counts]
            time.plot(counts, training, label=f"training, {images:,.0f} images")
        found = [scale_model.epoch(int(count), hardware, job) for count in counts]
        time.plot(counts, [each.evaluation for each in found], "--", label=f"evaluation, {TEST_IMAGES:,} images")
        time.plot(counts, [each.evaluation_on_one for each in found], ":", label="evaluation by one accelerator")
        speed.set_ylabel("images per second")
        time.set_ylabel("seconds of an epoch")
        for axes in (speed, time):
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
            axes.set_xlabel("accelerators")
            axes.set_xticks(counts[::3], [f"{count:,}" for count in counts[::3]])
            axes.yaxis.set_major_formatter("{x:,.12g}")
            axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2)


if __name__ == "__main__":
    app.run(main)
