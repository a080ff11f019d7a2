"""The programs of the benchmarks import each other by name, as scripts do."""

import sys

from tests.commands.conftest import tiny_cifar  # noqa: F401
from tests.conftest import REPOSITORY

sys.path.append(str(REPOSITORY / "benchmarks"))
