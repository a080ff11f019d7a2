"""The page of the results: tables of medians, ratios, and what was asked for."""

from __future__ import annotations

import itertools
import pathlib
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import rounds

if TYPE_CHECKING:
    from program import Benchmark, Record

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
WIDEST = 8  # numbers in a row


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])


def tables(found: Mapping[str, list[rounds.Numbers]]) -> list[str]:
    """The medians: one table for all cases with the same numbers."""
    by_names: dict[tuple[str, ...], list[list[str]]] = {}
    for case, measured in found.items():
        numbers = rounds.medians(measured)
        by_names.setdefault(tuple(numbers), []).append([case, *(f"{value:.4g}" for value in numbers.values())])
    return [
        table(["case", *names], rows) if len(names) <= WIDEST else table(*_turned(["case", *names], rows))
        for names, rows in by_names.items()
    ]


def _turned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[Sequence[str], list[Sequence[str]]]:
    """The head and the rows of a table whose columns are these rows."""
    first, *others = zip(head, *rows, strict=True)
    return first, others


def ratios(benchmark: Benchmark, found: Mapping[str, list[rounds.Numbers]]) -> list[str]:
    """The ratios of the medians, in a table, if there are any."""
    rows = []
    for ratio in benchmark.ratios:
        spread = rounds.spread(ratio, found)
        if spread and ratio.other:
            rows.append([ratio.name, f"{spread.value:.2f}", f"{spread.lowest:.2f} to {spread.highest:.2f}"])
    return [table(["ratio", "of medians", "in the rounds"], rows)] if rows else []


def record_name(program: str, gpu: bool) -> str:
    """The name of a program's results: a machine with a GPU has its own."""
    return f"{program} on a GPU" if gpu else program


def section(benchmark: Benchmark, record: Record) -> str:
    """A program's part of the page: question, command, machine, medians, ratios, and what could not run."""
    count = record["rounds"]
    parts = [
        f"### {record_name(f'`{benchmark.name}`', record['gpu'])}",
        textwrap.fill(benchmark.question, 120),
        f"    {record['command']}",
        textwrap.fill(f"{record['machine']}; commit {record['commit']}; {count} round{'s' * (count > 1)}.", 120),
        *tables(record["found"]),
        *ratios(benchmark, record["found"]),
    ]
    if record["missing"]:
        parts.append("Could not run:")
        parts.append("\n".join(f"* {case}: {reason}" for case, reason in record["missing"].items()))
    return "\n\n".join(parts)


def asked(benchmarks: Iterable[Benchmark], records: Mapping[str, Record]) -> str:
    """Every ratio that was asked for: the goal, what was reached, and where the page says why not."""
    rows = []
    for benchmark in benchmarks:
        for ratio, gpu in itertools.product(benchmark.ratios, (False, True)):
            if ratio.goal(gpu) is None:
                continue
            record = records.get(record_name(benchmark.name, gpu))
            spread = record and rounds.spread(ratio, record["found"])
            rows.append(
                [
                    f"{ratio.name}{' (GPU)' if gpu else ''}",
                    f"`{benchmark.name}`",
                    f"at {'most' if ratio.at_most else 'least'} {ratio.goal(gpu):g}",
                    f"{spread.value:.2f} ({spread.lowest:.2f} to {spread.highest:.2f})" if spread else "not measured",
                    f"[why](#{ratio.why})" if spread and not ratio.reached(spread.value, gpu) else "",
                ]
            )
    return table(["ratio", "program", "asked", "reached (rounds)", "if not"], rows)


def page(benchmarks: Sequence[Benchmark], records: Mapping[str, Record], lacking: Mapping[str, Sequence[str]]) -> str:
    """All results.

    Args:
        benchmarks: in the order of the page.
        records: by `record_name`.
        lacking: the flags that a program needs and did not get, by its name.
    """
    parts = [
        section(benchmark, records[name])
        for benchmark in benchmarks
        for gpu in (False, True)
        if (name := record_name(benchmark.name, gpu)) in records
    ]
    missing = [
        f"* `{benchmark.name}`: "
        + (f"needs {' and '.join(flags)}" if (flags := lacking.get(benchmark.name)) else "not run")
        for benchmark in benchmarks
        if not records.keys() & {record_name(benchmark.name, gpu) for gpu in (False, True)}
    ]
    if missing:
        parts.append("### Not measured\n\n" + "\n".join(missing))
    parts.append(f"### Every ratio asked for\n\n{asked(benchmarks, records)}")
    return "\n\n".join(parts)


def replace_measured(path: pathlib.Path, text: str) -> None:
    """Writes the text between the marks of a page; all else stays.

    Raises:
        ValueError: the page does not have the marks.
    """
    from keras_resnet.files import write_text  # here, because the Python of PyTorch need not have this package

    before = path.read_text(encoding="utf-8")
    pattern = re.compile(f"{BEGIN}\n.*?{END}", re.DOTALL)
    if not pattern.search(before):
        raise ValueError(f"{path} lacks the lines {BEGIN!r} and {END!r}, between which the results belong.")
    write_text(path, pattern.sub(lambda _: f"{BEGIN}\n\n{text}\n\n{END}", before))
