"""Marks for the cases that only `make test-all` runs."""

from collections.abc import Iterable

import pytest


def exhaustive(*values, **options):
    """A case that only `make test-all` runs; the arguments are those of `pytest.param`."""
    return pytest.param(*values, marks=pytest.mark.exhaustive, **options)


def few(values: Iterable, *quick):
    """Values for `parametrize`, of which `make test` runs the `quick` ones."""
    return [value if value in quick else exhaustive(value) for value in values]
