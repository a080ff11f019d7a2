"""One small model in every format."""

import warnings

import pytest

from tests.runtimes.exported import FILES, METADATA, small_net, write


@pytest.fixture(scope="session")
def net():
    """The small model."""
    return small_net()


@pytest.fixture(scope="session")
def artifacts(net, tmp_path_factory):
    """The path of the small model in each format, with metadata, by the names of the runtimes."""
    folder = tmp_path_factory.mktemp("artifacts")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore")  # the exporters use each other's deprecated functions
        return {runtime: write(net, runtime, folder, METADATA) for runtime in FILES}
