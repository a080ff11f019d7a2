"""Markdown for the terminal."""

from collections.abc import Iterable, Sequence


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table, each row as soon as it is known.

    Example:
        >>> from keras_resnet.commands.markdown import print_table
        >>> print_table(["net", "error"], [("a", "5 %")])
        | net | error |
        |---|---|
        | a | 5 % |
    """
    print(f"| {' | '.join(columns)} |")
    print(f"|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)
