"""How training scales over processes on this machine: two workers with a core each, against one.

    python benchmarks/workers.py [--rounds=3] [--only=REGEX] [--quick]

Each worker trains with one thread on images in memory, with the same number of images in each of its steps; the batch
grows with the workers. `keras-resnet launch` starts them, and they sum their gradients over the loopback interface.
"""

import dataclasses
import functools
import os
import pathlib
import subprocess
import sys
import tempfile

from absl import flags
from overhead import recipe_and_data, resnet20_run, resnet50_run
from program import QUICK, Benchmark
from rounds import CaseError, Numbers, Ratio

FOLDER = flags.DEFINE_string("folder", None, "Run directory of the workers.")
ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}
RUNS = {"resnet50": functools.partial(resnet50_run, batches=8), "resnet20": functools.partial(resnet20_run, batches=50)}


def worker(network: str) -> Numbers:
    """Trains as one of the workers."""
    import keras_resnet
    from keras_resnet.distributed.workers import configured_workers

    count = max(1, configured_workers())
    run = RUNS[network]()
    run = run._replace(task=dataclasses.replace(run.task, batch=count * run.task.batch))
    recipe, data = recipe_and_data(run, epochs=2)
    keras_resnet.train(run.model, data, recipe, FOLDER.value, verbose=0)
    return {}


def scaling(network: str, workers: int) -> Numbers:
    """Images a second of all workers together, in the second epoch."""
    from keras_resnet.run_directory import Run

    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < workers:
        raise SystemExit(f"{workers} workers need as many cores; this process has {len(cores)}.")
    os.sched_setaffinity(0, cores[:workers])
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder, "run")
        options = [f"--case=worker {network}", f"--folder={run}", *(["--quick"] if QUICK.value else [])]
        command = [sys.executable, "-m", "keras_resnet", "launch", f"--workers={workers}", __file__, *options]
        result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **ONE_THREAD})
        if result.returncode:
            raise CaseError(result.stdout[-1000:])
        return {"images/s": Run(run).log()[-1]["images_per_second"]}


BENCHMARK = Benchmark(
    __file__,
    "Images per second of training in one process on one core, and in two processes on two cores, in bfloat16. The "
    "batch of a process stays the same. Twice as many images per second would be perfect.",
    {
        f"{network}, {name}": functools.partial(scaling, network, workers)
        for network in RUNS
        for name, workers in (("1 process", 1), ("2 processes", 2))
    },
    parts={f"worker {network}": functools.partial(worker, network) for network in RUNS},
    ratios=[Ratio(f"{network}, 2 processes", f"{network}, 1 process") for network in RUNS],
)

if __name__ == "__main__":
    BENCHMARK.start()
