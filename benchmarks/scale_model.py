"""A cost model of synchronous data parallelism: what a step takes on n accelerators, and what the time goes to.

All workers wait for the slowest of them, then for the sum of their gradients; meanwhile their hosts prepare the next
images. Times are in seconds, sizes in bytes, rates per second.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

BACKWARD = 2 / 3  # of a step's operations: the gradients of inputs and of weights, each as many as the forward pass
TRAIN_TO_FORWARD = 3  # operations of a step / operations of its forward pass
FLOAT32 = 4  # bytes
SAVING = 0.01  # of the time goes to checkpoints (`checkpoint_every="auto"`)
# Gradients, moving statistics, batch size, loss, and two sums for each of two metrics. TensorFlow joins the gradients
# to one tensor, so that their sum waits for the last of them (`bytes_per_pack=0`).
COLLECTIVES = 8


def expected_maximum(samples: Sequence[float], draws: int) -> float:
    """The expected maximum of independent draws from measured values, each as likely as the others.

    The i-th smallest of m values is the maximum with the probability (i / m) ** draws - ((i - 1) / m) ** draws. No draw
    exceeds the largest measured value, so with far more draws than values this is too low.
    """
    cumulative = (np.arange(len(samples) + 1) / len(samples)) ** draws
    return float(np.sort(samples) @ np.diff(cumulative))


def bytes_sent(workers: int, size: float) -> float:
    """What each worker of a ring sends while `size` bytes are summed: its part of the sum, then that of the others."""
    return 2 * (workers - 1) / workers * size


@dataclasses.dataclass(frozen=True)
class Link:
    """How fast workers sum their values.

    Attributes:
        bandwidth: of each worker.
        latency: of a message.
        tree: whether the number of messages in a row grows with the logarithm of the number of workers, as in NCCL's
            trees; in a ring, with the number.
    """

    bandwidth: float
    latency: float
    tree: bool = False

    def messages(self, workers: int) -> int:
        """Messages in a row."""
        return 2 * (math.ceil(math.log2(workers)) if self.tree else workers - 1)

    def seconds(self, workers: int, size: float, collectives: int = 1) -> float:
        """The time to sum `size` bytes in several collectives, one after the other."""
        return bytes_sent(workers, size) / self.bandwidth + collectives * self.messages(workers) * self.latency


def fitted_link(measured: Sequence[tuple[int, float, float]]) -> Link:
    """The ring that fits measured (workers, bytes, seconds) best, each weighted by the inverse of its time."""
    workers, sizes, seconds = np.array(measured, float).T
    parts = np.stack([2 * (workers - 1) / workers * sizes, 2 * (workers - 1)], axis=1)
    inverse_bandwidth, latency = np.linalg.lstsq(parts / seconds[:, None], np.ones(len(seconds)), rcond=None)[0]
    return Link(1 / inverse_bandwidth, max(0.0, latency))


# ---------------------------------------------------------------------------------------------
# Several processes on few cores of one machine


@dataclasses.dataclass(frozen=True)
class OneMachine:
    """Processes of one thread each, spread evenly over the cores of one machine, with links inside it.

    Attributes:
        steps: times of a step that processes measured beside each other, one on each core, without communication.
        cores: number of cores.
        link: between processes that have a core each.
        size: of the gradients.
        cost: time that communication adds to a step / time of the link; below 1 if the backward pass hides some of it,
            above 1 if there is more to do than to send.
    """

    steps: Sequence[float]
    cores: int
    link: Link
    size: float
    cost: float = 1.0

    def step(self, processes: int) -> float:
        """The expected time of a step: the processes of a core take turns, in computing as in communicating."""
        turns = math.ceil(processes / self.cores)
        compute = expected_maximum(self.steps, min(processes, self.cores))
        if processes == 1:
            return compute
        return turns * (compute + self.cost * self.link.seconds(processes, self.size, COLLECTIVES))

    def fitted(self, processes: int, step: float) -> "OneMachine":
        """The same with the cost of communication with which `processes` take `step` seconds."""
        link = self.link.seconds(processes, self.size, COLLECTIVES)
        compute = expected_maximum(self.steps, min(processes, self.cores))
        return dataclasses.replace(self, cost=(step / math.ceil(processes / self.cores) - compute) / link)


# ---------------------------------------------------------------------------------------------
# Accelerators in hosts


@dataclasses.dataclass(frozen=True)
class Hardware:
    """Hosts with accelerators.

    Attributes:
        rate: images per second that an accelerator trains on.
        per_host: accelerators of a host.
        host: the link of the accelerators of one host.
        network: the link of accelerators of several hosts.
        cores: CPU cores of a host.
        read_bandwidth: of a host's storage.
        stragglers: times of a step relative to their mean, as one worker measures them.
    """

    rate: float
    per_host: int
    host: Link
    network: Link
    cores: float
    read_bandwidth: float
    stragglers: Sequence[float] = (1.0,)


@dataclasses.dataclass(frozen=True)
class Job:
    """What is trained.

    Attributes:
        images: of an epoch.
        test_images: evaluated after each epoch.
        parameters: of the model.
        batch: images of a step for each accelerator.
        largest_batch: limit of the images of a step over all accelerators; above it, each gets fewer.
        image_bytes: of an encoded image.
        images_per_core: images per second that a CPU core prepares.
        overlap: fraction of the backward pass during which gradients are summed, 0 to 1.
        records: whether images are in a record set, which each worker reads as a whole; a worker reads only its own
            files of a photo folder.
    """

    images: float
    test_images: float
    parameters: float
    batch: float
    largest_batch: float
    image_bytes: float
    images_per_core: float
    overlap: float = 0.0
    records: bool = True


@dataclasses.dataclass(frozen=True)
class Step:
    """The parts of a step's time: first those of the accelerators, then what they wait for images, read or prepared."""

    batch: float
    compute: float
    stragglers: float
    all_reduce: float
    reading: float
    decoding: float

    @property
    def seconds(self) -> float:
        """The time of the step."""
        return self.compute + sum(self.lost.values())

    @property
    def lost(self) -> dict[str, float]:
        """The parts that one accelerator would not need."""
        return {part: getattr(self, part) for part in ("stragglers", "all_reduce", "reading", "decoding")}

    @property
    def efficiency(self) -> float:
        """The fraction of the time that computes."""
        return self.compute / self.seconds


def step(accelerators: int, hardware: Hardware, job: Job) -> Step:
    """What a step takes on some accelerators."""
    batch = min(accelerators * job.batch, job.largest_batch)
    compute = batch / accelerators / hardware.rate
    stragglers = compute * (expected_maximum(hardware.stragglers, accelerators) - np.mean(hardware.stragglers))
    all_reduce = exposed_all_reduce(accelerators, compute, hardware, job)
    device = compute + stragglers + all_reduce
    hosts = math.ceil(accelerators / hardware.per_host)
    read = (batch if job.records else batch / hosts) * job.image_bytes / hardware.read_bandwidth
    decode = batch / hosts / (hardware.cores * job.images_per_core)
    waiting = max(0.0, read - device, decode - device)  # both run while the accelerators compute
    return Step(
        batch,
        compute,
        stragglers,
        all_reduce,
        reading=waiting if read >= decode else 0.0,
        decoding=waiting if read < decode else 0.0,
    )


def exposed_all_reduce(accelerators: int, compute: float, hardware: Hardware, job: Job) -> float:
    """The time to sum the gradients that the backward pass does not hide."""
    if accelerators == 1:
        return 0.0
    link = hardware.host if accelerators <= hardware.per_host else hardware.network
    whole = link.seconds(accelerators, FLOAT32 * job.parameters, COLLECTIVES)
    return max(0.0, whole - job.overlap * BACKWARD * compute)


@dataclasses.dataclass(frozen=True)
class Epoch:
    """The times of an epoch.

    Attributes:
        training: of its steps.
        evaluation: of the test images, spread over all accelerators.
        evaluation_on_one: of the test images, if each worker evaluated all of them on one accelerator.
        checkpoints: of saving.
    """

    training: float
    evaluation: float
    evaluation_on_one: float
    checkpoints: float


def checkpoint_interval(parameters: float, bandwidth: float) -> float:
    """The time between two checkpoints of weights and momentum, in float32, of which `SAVING` goes to writing them."""
    return 2 * FLOAT32 * parameters / bandwidth / SAVING


def epoch(accelerators: int, hardware: Hardware, job: Job) -> Epoch:
    """What an epoch takes on some accelerators."""
    each = step(accelerators, hardware, job)
    training = math.ceil(job.images / each.batch) * each.seconds
    on_one = job.test_images / (TRAIN_TO_FORWARD * hardware.rate)
    return Epoch(training, on_one / accelerators, on_one, SAVING * training)


def limits(hardware: Hardware, job: Job, share: float, most: int) -> dict[str, int | None]:
    """For each part, on how many accelerators it first takes more than a share of the compute time of a step.

    Args:
        hardware: the accelerators.
        job: what is trained.
        share: of the compute time.
        most: the largest number of accelerators to try, of 1, 2, 4, ...

    Returns:
        Numbers of accelerators; None for a part that stays below the share.
    """
    counts = [2**power for power in range(int(math.log2(most)) + 1)]
    steps = {count: step(count, hardware, job) for count in counts}
    return {
        part: next((count for count in counts if steps[count].lost[part] > share * steps[count].compute), None)
        for part in steps[1].lost
    }
