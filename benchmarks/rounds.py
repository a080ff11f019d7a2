"""What the benchmarks share: cases in fresh processes, in turn; ratios of their medians; and what they ran on."""

import functools
import itertools
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata
from typing import NamedTuple

import numpy as np

PACKAGES = (
    "keras", "tensorflow", "tensorflow-cpu", "jax", "keras-hub", "torch", "torchvision", "timm",
    "openvino", "onnxruntime", "ai-edge-litert",
)  # fmt: skip
Numbers = dict[str, float]


class Ratio(NamedTuple):
    """A number of one case, over that of another.

    Attributes:
        mine: the case, or several, of which the one with the highest number counts.
        other: the other case; None for the number itself.
        number: the name of the number.
        other_number: its name in the other case, if it differs.
        asked: the goal on a CPU, or None.
        asked_on_gpu: the goal where there is a GPU, or None.
        at_most: whether lower is better.
        why: the heading in README.md, as an anchor, that says what was tried.
        label: what `mine` is called, instead of its own name.
    """

    mine: str | tuple[str, ...]
    other: str | None = None
    number: str = "images/s"
    other_number: str | None = None
    asked: float | None = None
    asked_on_gpu: float | None = None
    at_most: bool = False
    why: str = ""
    label: str = ""

    @property
    def name(self) -> str:
        """What is compared: "resnet50 bfloat16: ours / torchvision"."""
        mine = self.label or self.mine
        if self.other is None:
            return f"{mine}, {self.number}"
        task, _, peer = self.other.rpartition(": ")
        other = peer if self.label or str(self.mine).startswith(f"{task}: ") else self.other
        numbers = dict.fromkeys((self.number, self.other_number or self.number))
        return f"{mine} / {other}" + ("" if list(numbers) == ["images/s"] else f", {' / '.join(numbers)}")

    def goal(self, gpu: bool) -> float | None:
        """What was asked for on such a machine."""
        return self.asked_on_gpu if gpu else self.asked

    def reached(self, value: float, gpu: bool) -> bool:
        """Whether a value is as good as the goal."""
        return value <= self.goal(gpu) if self.at_most else value >= self.goal(gpu)


class Spread(NamedTuple):
    """A ratio of medians, with the lowest and the highest ratio of a round."""

    value: float
    lowest: float
    highest: float


def spread(ratio: Ratio, found: dict[str, list[Numbers]]) -> Spread | None:
    """The ratio over all rounds; None where a case or its number is missing."""
    mine = _best(found, ratio.mine, ratio.number)
    other = (
        [1.0] * len(mine) if ratio.other is None else _column(found, ratio.other, ratio.other_number or ratio.number)
    )
    if not mine or not other:
        return None
    each = [first / second for first, second in zip(mine, other, strict=False)]
    return Spread(statistics.median(mine) / statistics.median(other), min(each), max(each))


def _best(found: dict[str, list[Numbers]], cases: str | tuple[str, ...], number: str) -> list[float]:
    """The column of a case; of several cases, that with the highest median."""
    columns = [_column(found, case, number) for case in ([cases] if isinstance(cases, str) else cases)]
    return max(columns, key=lambda column: statistics.median(column or [0.0]))


def _column(found: dict[str, list[Numbers]], case: str, number: str) -> list[float]:
    return [numbers[number] for numbers in found.get(case, []) if number in numbers]


def medians(rounds: Sequence[Numbers]) -> Numbers:
    """The median of each number over the rounds that have it."""
    names = dict.fromkeys(itertools.chain.from_iterable(rounds))
    return {name: statistics.median(numbers[name] for numbers in rounds if name in numbers) for name in names}


def exponent(xs: Sequence[float], ys: Sequence[float]) -> float:
    """The exponent a of the power law y ~ x^a that fits best: least squares of the logarithms."""
    return float(np.polyfit(np.log(xs), np.log(ys), 1)[0])


class CaseError(Exception):
    """A case that cannot run here, such as one whose package is not installed; the reason."""


def run(python: str, script: str, *arguments: object) -> Numbers:
    """What a program prints as JSON in its last line, from a fresh process.

    Raises:
        CaseError: it cannot run; with the last line of its errors.
    """
    command = [python, script, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"})
    if result.returncode:
        raise CaseError((result.stderr.strip().splitlines() or ["no message"])[-1])
    return json.loads(result.stdout.strip().splitlines()[-1])


def take_turns(
    cases: Iterable[str], rounds: int, run_case: Callable[[str], Numbers]
) -> tuple[dict[str, list[Numbers]], dict[str, str]]:
    """Runs the cases in turn, for several rounds.

    Returns:
        {case: its numbers in each round}, and {case that cannot run: the reason}.
    """
    found, missing = {case: [] for case in cases}, {}
    for index in range(rounds):
        for case in list(found):
            print(f"round {index + 1} of {rounds}: {case}", file=sys.stderr, flush=True)
            try:
                found[case].append(run_case(case))
            except CaseError as error:
                del found[case]
                missing[case] = str(error)
                print(f"left out: {error}", file=sys.stderr, flush=True)
    return found, missing


def paths_of(folder: str, count: int) -> list[str]:
    """The folder's JPEG files, over and over."""
    files = sorted(
        path for path in pathlib.Path(folder).resolve().rglob("*") if path.suffix.lower() in (".jpg", ".jpeg")
    )
    if not files:
        raise ValueError(f"{folder} holds no JPEG files.")
    return [str(path) for path in itertools.islice(itertools.cycle(files), count)]


def versions() -> dict[str, str]:
    """The versions of the packages that are installed here."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine(torch_python: str = sys.executable) -> str:
    """Processor, number of cores, GPU, Python, and the versions of the packages here and in the Python of PyTorch."""
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    named = re.search(r"model name\s*: (.*)", text)
    instructions = [name for name in ("avx512f", "avx512_bf16", "amx_bf16") if re.search(rf"\b{name}\b", text)]
    others = versions() if torch_python == sys.executable else {**run(torch_python, __file__), **versions()}
    parts = [
        named[1] if named else platform.machine(),
        f"{os.cpu_count()} cores ({', '.join(instructions) or 'no AVX-512'})",
        *([gpu()] if gpu() else []),
        f"Python {platform.python_version()}",
        *(f"{package} {version}" for package, version in others.items()),
    ]
    return ", ".join(parts)


@functools.cache
def gpu() -> str | None:
    """The name of the first NVIDIA GPU, or None."""
    if not shutil.which("nvidia-smi"):
        return None
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    result = subprocess.run(query, capture_output=True, text=True)
    return next(iter(result.stdout.splitlines()), None) if result.returncode == 0 else None


def commit() -> str:
    """The commit that the code is of, with "-dirty" where the package or a program differs from it."""
    folder = pathlib.Path(__file__).parent

    def git(*arguments):
        return subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True)

    changed = git("diff", "--quiet", "HEAD", "--", "../keras_resnet", "*.py").returncode
    return (git("rev-parse", "--short", "HEAD").stdout.strip() or "unknown") + ("-dirty" if changed else "")


if __name__ == "__main__":
    print(json.dumps(versions()))
