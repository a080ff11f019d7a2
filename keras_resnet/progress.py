"""Whether to show progress bars."""

import sys


def bar_shown(verbose: int | bool | str) -> int:
    """The `verbose` argument for Keras: 1 to show a progress bar, else 0; "auto" shows it only on a terminal."""
    return int(sys.stdout.isatty() if verbose == "auto" else bool(verbose))
