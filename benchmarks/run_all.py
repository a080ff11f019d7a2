"""Runs every benchmark that this machine can run, and writes the results to benchmarks/README.md.

    python benchmarks/run_all.py [--rounds=5] [--photos=PHOTOS] [--cifar=TFDS] [--torch_python=PYTHON] [--only=REGEX]

Each case runs in a fresh process, in turn with the others of its program. After each program, its numbers are saved in
--results, and the part of --page between the two marks is written again from all results there, so that you can stop,
and run single programs with --only. Results of a machine with a GPU stand beside those of one without. PHOTOS is a
folder of JPEG files, and TFDS a folder of TensorFlow Datasets that has CIFAR-10. What is missing is named on the page.
`fine_tuning.py` is not among them: it compares settings, and takes hours.
"""

import json
import pathlib
import sys

import accuracy
import export
import forward
import growth
import input_pipeline
import memory
import overhead
import page
import prediction
import service
import throughput
import workers
from absl import app, flags
from program import artifacts_folder

HERE = pathlib.Path(__file__).parent
PAGE = flags.DEFINE_string("page", str(HERE / "README.md"), "Markdown page with the marks between which results go.")
RESULTS = flags.DEFINE_string("results", str(HERE / "results.json"), "File with the numbers of all programs.")
BENCHMARKS = [
    module.BENCHMARK
    for module in (
        throughput, growth, forward, memory, workers, overhead, input_pipeline, accuracy, export, prediction, service
    )
]  # fmt: skip


def read_results() -> dict:
    """The results of earlier runs, by program."""
    path = pathlib.Path(RESULTS.value)
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError:
        sys.exit(f"{path} is not valid JSON; remove it to start anew.")


def write(records: dict, lacking: dict) -> None:
    """Saves the results, and writes the page."""
    from keras_resnet.files import write_text

    write_text(pathlib.Path(RESULTS.value), json.dumps(records, indent=1) + "\n")
    page.replace_measured(pathlib.Path(PAGE.value), page.page(BENCHMARKS, records, lacking))


def main(argv):
    """Runs the programs that --only selects."""
    if argv[1:]:
        sys.exit(f"run_all.py takes flags only, not {argv[1]!r}.")
    if not pathlib.Path(PAGE.value).is_file():
        sys.exit(f"--page: there is no file {PAGE.value}.")
    records = read_results()
    lacking = {benchmark.name: lacks for benchmark in BENCHMARKS if (lacks := benchmark.lacks())}
    write(records, lacking)  # a wrong path fails now, not after hours
    with artifacts_folder():
        for benchmark in BENCHMARKS:
            if benchmark.name in lacking or not benchmark.wanted({**benchmark.once, **benchmark.cases}):
                continue
            print(f"{benchmark.name}:", file=sys.stderr, flush=True)
            record = benchmark.measure()
            records[page.record_name(benchmark.name, record["gpu"])] = record
            write(records, lacking)


if __name__ == "__main__":
    app.run(main)
