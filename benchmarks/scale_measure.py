"""What the cost model of `scale.py` is fitted to: steps of several processes, their sums, the disk, and the input.

    python benchmarks/scale_measure.py STEPS NET,NET,... [--alone]

This runs one process of several, started by `keras-resnet launch`. It prints its measurements as JSON.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import rounds

# Net -> images of a step in each process: one net that mostly computes, and one that mostly communicates.
NETS = {"resnet20_cifar": 32, "resnet18": 8}
IMAGE_SIZE, CLASSES = 32, 10
WARM_UP = 5  # steps that are not counted: the first compiles
SUMMED_BYTES = (4, 1 << 22, 1 << 25)
SUMS = 10  # of each size
FILE_BYTES = 1 << 28


# ---------------------------------------------------------------------------------------------
# One process


def pinned_to_core() -> int:
    """Gives this process, and all its threads, one core by its index in TF_CONFIG, which it returns.

    TensorFlow then uses one thread for an operation. Call it before TensorFlow is imported.
    """
    index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[index % len(cores)]})
    return index


def step_times(name: str, steps: int, worker) -> tuple[int, list[float]]:
    """The trainable parameters of a net, and the seconds of each training step, on images in memory."""
    import keras
    import numpy as np
    import tensorflow as tf

    from keras_resnet import Recipe, create_model
    from keras_resnet.models.complexity import trainable_parameters
    from keras_resnet.training.building import compile_for
    from keras_resnet.training.dry_runs import StepTimes

    images = np.random.default_rng(0).integers(0, 256, (NETS[name], IMAGE_SIZE, IMAGE_SIZE, 3)).astype("uint8")
    labels = np.arange(len(images)) % CLASSES
    with worker.strategy.scope():
        keras.utils.set_random_seed(0)
        model = create_model(name, input_shape=images.shape[1:], classes=CLASSES)
        compile_for(model, Recipe(momentum=0.9, weight_decay=1e-4))
    batches = worker.distribute(lambda _: tf.data.Dataset.from_tensors((images, labels)).repeat())
    times = StepTimes()
    model.fit(batches, steps_per_epoch=WARM_UP + steps, callbacks=[times], shuffle=False, verbose=0)
    return trainable_parameters(model), times.seconds[WARM_UP:]


def sum_times(worker) -> list[tuple[int, int, float]]:
    """(processes, bytes, median of the seconds) of sums over all processes."""
    import numpy as np
    import tensorflow as tf

    from keras_resnet.distributed.replicas import sum_over_replicas

    @tf.function
    def sum_values(values):
        return worker.strategy.run(lambda: sum_over_replicas(tf.identity(values)))

    found = []
    for size in SUMMED_BYTES:
        values, seconds = tf.zeros(size // 4), []
        for _ in range(SUMS + 1):
            start = time.perf_counter()
            sum_values(values)[0].numpy()
            seconds.append(time.perf_counter() - start)
        found.append((worker.count, size, float(np.median(seconds[1:]))))
    return found


def measure_process(steps: int, names: list[str], alone: bool) -> None:
    """Prints what this process measures; `alone`: beside the others, without communication."""
    pinned_to_core()
    from keras_resnet.distributed import strategies
    from keras_resnet.distributed.rendezvous import meet
    from keras_resnet.distributed.workers import Worker, configured_cluster

    if alone:
        meet(configured_cluster())  # to start at the same time
    worker = Worker(strategies.one_device() if alone else strategies.auto())
    sums = sum_times(worker) if worker.several else []
    of_nets = {name: step_times(name, steps, worker) for name in names}
    found = {
        "sums": sums,
        "parameters": {name: count for name, (count, _) in of_nets.items()},
        "steps": {name: seconds for name, (_, seconds) in of_nets.items()},
    }
    print(json.dumps(found), flush=True)


# ---------------------------------------------------------------------------------------------
# All of them


def launched(processes: int, steps: int, names: list[str], alone: bool = False) -> list[dict]:
    """What each of several processes measures."""
    arguments = [__file__, str(steps), ",".join(names), *(["--alone"] if alone else [])]
    command = [sys.executable, "-m", "keras_resnet", "launch", f"--workers={processes}", *arguments]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    lines = [line.partition(": ")[2] for line in result.stdout.splitlines()]
    found = [json.loads(line) for line in lines if line.startswith("{")]
    if result.returncode or len(found) != processes:
        sys.exit(f"{processes} processes failed:\n{result.stdout}{result.stderr}")
    return found


def write_bandwidth(folder: pathlib.Path) -> float:
    """Bytes per second with which a file reaches the disk."""
    content = os.urandom(FILE_BYTES)
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        start = time.perf_counter()
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        return FILE_BYTES / (time.perf_counter() - start)


def images_per_core(photos: str | None) -> float:
    """Images per second that the input pipeline crops on a core; without photos, of generated ones."""
    script = pathlib.Path(__file__).with_name("input_pipeline.py")
    with tempfile.TemporaryDirectory() as folder:
        if not photos:
            from keras_resnet.data import fake_photos

            photos = str(fake_photos.write(pathlib.Path(folder, "photos")))
        return rounds.run(sys.executable, script, "--case=crop: ours", f"--photos={photos}")["images/s of a core"]


def measure(processes: list[int], steps: int, photos: str | None, folder: pathlib.Path) -> dict:
    """Everything, as a dictionary for a JSON file.

    Args:
        processes: numbers of processes to train with.
        steps: to time in each process.
        photos: folder of JPEG files for the input pipeline; None for generated ones.
        folder: where a file is written to time the disk.
    """
    names, cores = list(NETS), len(os.sched_getaffinity(0))
    found = {
        "machine": rounds.machine(),
        "commit": rounds.commit(),
        "cores": cores,
        "write_bandwidth": write_bandwidth(folder),
        "images_per_core": images_per_core(photos),
        "parameters": {},
        "sums": [],
        "alone": {name: [] for name in names},
        "steps": {name: {} for name in names},
    }
    for each in launched(cores, steps, names, alone=True):
        found["parameters"] = each["parameters"]
        for name in names:
            found["alone"][name] += each["steps"][name]
    for count in processes:
        chief = launched(count, steps, names)[0]
        found["sums"] += chief["sums"] if count == cores else []
        for name in names:
            found["steps"][name][count] = chief["steps"][name]
    return found


if __name__ == "__main__":
    measure_process(int(sys.argv[1]), sys.argv[2].split(","), "--alone" in sys.argv)
