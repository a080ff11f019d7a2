"""A benchmark as a program: its cases, its flags, and how it runs alone and in `run_all.py`."""

import dataclasses
import json
import os
import pathlib
import re
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import page
import rounds
from absl import app, flags

ROUNDS = flags.DEFINE_integer("rounds", 5, "Rounds over all cases; with --quick 1.", lower_bound=1)
QUICK = flags.DEFINE_bool("quick", False, "Check that everything runs: small networks; the numbers mean nothing.")
ONLY = flags.DEFINE_string("only", "", 'Regular expression for "PROGRAM CASE"; run only these cases [all].')
PHOTOS = flags.DEFINE_string("photos", None, "Folder of JPEG files.")
CIFAR = flags.DEFINE_string("cifar", None, "Folder of TensorFlow Datasets that has CIFAR-10.")
TORCH_PYTHON = flags.DEFINE_string("torch_python", sys.executable, "Python that has PyTorch, torchvision and timm.")
ARTIFACTS = flags.DEFINE_string("artifacts", None, "Folder of the exported models [a temporary one].")
CASE = flags.DEFINE_string("case", None, "Measure this case alone, in this process; print its numbers as JSON.")
SHARED = (QUICK, PHOTOS, CIFAR, TORCH_PYTHON, ARTIFACTS)  # flags that each case gets

TORCH_PEERS = ("torchvision", "timm", "PyTorch")
Measure = Callable[[], rounds.Numbers]
Record = dict[str, Any]  # as `Benchmark.measure` returns it, and as it is saved


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """A question that a program answers.

    Attributes:
        script: the program's path.
        question: what it measures, in a sentence or more.
        cases: {name: function that measures it}. "task: peer" is measured in PyTorch's Python for a peer of PyTorch.
        once: cases that run before the rounds, once.
        parts: functions for what a case starts in a process of its own.
        ratios: of the cases.
        needs: names of the flags without which it cannot run.
        own_flags: flags that it has besides those of all programs.
    """

    script: str
    question: str
    cases: Mapping[str, Measure] = dataclasses.field(default_factory=dict)
    once: Mapping[str, Measure] = dataclasses.field(default_factory=dict)
    parts: Mapping[str, Measure] = dataclasses.field(default_factory=dict)
    ratios: Sequence[rounds.Ratio] = ()
    needs: Sequence[str] = ()
    own_flags: Sequence[flags.FlagHolder] = ()

    @property
    def name(self) -> str:
        """The file's name."""
        return pathlib.Path(self.script).name

    def wanted(self, cases: Mapping[str, Measure]) -> list[str]:
        """The names of the cases that --only selects."""
        return [case for case in cases if re.search(ONLY.value, f"{self.name} {case}")]

    def lacks(self) -> list[str]:
        """The flags that it needs and that were not given."""
        return [f"--{name}" for name in self.needs if flags.FLAGS[name].value is None]

    def run_part(self, name: str, python: str = sys.executable) -> rounds.Numbers:
        """The numbers of a case or part, from a fresh process."""
        given = [holder for holder in (*SHARED, *self.own_flags) if holder.value != holder.default]
        shared = [f"--{holder.name}={holder.value}" for holder in given]
        return rounds.run(python, self.script, f"--case={name}", *shared)

    def measure(self) -> Record:
        """Runs the cases in turn, each in a fresh process."""

        def run_case(case):
            is_torch = case.rsplit(": ", 1)[-1] in TORCH_PEERS
            return self.run_part(case, python=TORCH_PYTHON.value if is_torch else sys.executable)

        count = 1 if QUICK.value and not flags.FLAGS["rounds"].present else ROUNDS.value
        commit = rounds.commit()
        first, missing_first = rounds.take_turns(self.wanted(self.once), 1, run_case)
        found, missing = rounds.take_turns(self.wanted(self.cases), count, run_case)
        return {
            "command": self.command(),
            "machine": rounds.machine(TORCH_PYTHON.value),
            "gpu": rounds.gpu() is not None,
            "commit": commit,
            "rounds": count,
            "found": first | found,
            "missing": missing_first | missing,
        }

    def command(self) -> str:
        """The command that repeats the measurement, with names in capitals in place of paths."""
        backend = os.environ.get("KERAS_BACKEND")
        words = [*([f"KERAS_BACKEND={backend}"] if backend else []), "python", f"benchmarks/{self.name}"]
        for holder in (ROUNDS, ONLY, *SHARED, *self.own_flags):
            if flags.FLAGS[holder.name].present:
                is_path = holder.name in ("photos", "cifar", "torch_python", "artifacts", "data_dir")
                value = holder.name.upper() if is_path else holder.value
                words.append(f"--{holder.name}" if value is True else f"--{holder.name}={value}")
        return shlex.join(words)

    def start(self) -> None:
        """Runs the program: one case in this process, or all and a page of their medians and ratios."""
        app.run(self._main)

    def _main(self, argv: list[str]) -> None:
        if argv[1:]:
            sys.exit(f"{self.name} takes flags only, not {argv[1]!r}.")
        functions = {**self.cases, **self.once, **self.parts}
        if CASE.value:
            print(json.dumps({name: float(value) for name, value in functions[CASE.value]().items()}))
            return
        if self.lacks():
            sys.exit(f"{self.name} needs {' and '.join(self.lacks())}.")
        with artifacts_folder():
            print(page.section(self, self.measure()))


def artifacts_folder() -> tempfile.TemporaryDirectory:
    """A context in which --artifacts names a folder, by default one that is removed at the end."""
    folder = tempfile.TemporaryDirectory()
    if ARTIFACTS.value is None:
        flags.FLAGS.artifacts = folder.name
        flags.FLAGS["artifacts"].present = 0
    return folder


def _is_pattern(text: str) -> bool:
    try:
        return bool(re.compile(text))
    except re.error:
        return False


flags.register_validator("only", _is_pattern, "is no regular expression")


def or_small(value: Any, small: Any) -> Any:
    """A value, or the one for --quick."""
    return small if QUICK.value else value


def resident_memory(field: str, process: int | str = "self") -> float:
    """A process's resident memory in MB, 10^6 bytes: now with the field VmRSS, the peak with VmHWM. Linux only.

    The peak that getrusage returns is at least the memory of the process that started this one.
    """
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    return 1024 * int(re.search(rf"{field}:\s+(\d+) kB", status)[1]) / 1e6


def call_seconds(call: Callable[[], object], seconds: float = 15.0) -> list[float]:
    """The times of calls of a function, after the first three: those that fit into `seconds`, and at least five."""
    for _ in range(or_small(3, 1)):
        call()
    least, length = or_small((5, seconds), (2, 0.0))
    times, end = [], time.perf_counter() + length
    while time.perf_counter() < end or len(times) < least:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def median_seconds(call: Callable[[], object], seconds: float = 15.0) -> float:
    """The median of `call_seconds`."""
    return statistics.median(call_seconds(call, seconds))
