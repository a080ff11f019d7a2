"""What the benchmarks share: each case in a fresh process, the cases in turn, medians; photos; and what they ran on."""

import itertools
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
from importlib import metadata

PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "jax", "torch", "torchvision")


def paths_of(folder, count):
    """The folder's JPEG files, over and over."""
    files = sorted(
        path for path in pathlib.Path(folder).resolve().rglob("*") if path.suffix.lower() in (".jpg", ".jpeg")
    )
    if not files:
        raise ValueError(f"{folder} holds no JPEG files.")
    return [str(path) for path in itertools.islice(itertools.cycle(files), count)]


def run(python, script, *arguments):
    """What a case prints as JSON in its last line, from a fresh process; None where it cannot run, with the reason."""
    command = [python, script, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"})
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"{' '.join(map(str, arguments))}: left out ({reason})", file=sys.stderr)
        return None
    return json.loads(result.stdout.strip().splitlines()[-1])


def medians(cases, rounds, run_case):
    """{case: {name: median}} over rounds in which the cases take turns; without those that cannot run."""
    found = {case: [] for case in cases}
    for _ in range(rounds):
        for case in list(found):
            measured = run_case(case)
            if measured is None:
                del found[case]
            else:
                found[case].append(measured)
    return {
        case: {name: statistics.median(each[name] for each in measured) for name in measured[0]}
        for case, measured in found.items()
    }


def machine():
    """Processor, number of cores, Python, and the versions of the packages that are installed here."""
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    named = re.search(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.exists() else None
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    processor = named[1] if named else platform.machine()
    return f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}, {', '.join(versions)}"


def commit():
    """The commit that these files are of, with "-dirty" where they differ from it."""
    folder = pathlib.Path(__file__).parent
    describe = ["git", "-C", folder, "describe", "--always", "--dirty", "--exclude=*"]
    return subprocess.run(describe, capture_output=True, text=True).stdout.strip() or "unknown"
