"""TODO progress."""

import sys


def bar_shown(verbose) -> int:
    """1 where `verbose` asks for a progress bar; "auto" asks for one on a terminal."""
    return int(sys.stdout.isatty() if verbose == "auto" else bool(verbose))
