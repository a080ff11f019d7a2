"""How commands show messages and end."""

import logging
import sys

import pytest
from absl import app as absl_app

from keras_resnet.commands import app


@pytest.fixture
def ended(monkeypatch):
    """A function that runs a `main` as a command without flags, and returns how it exits."""
    monkeypatch.setattr(absl_app, "run", lambda main: sys.exit(main(["script.py"])))
    monkeypatch.setattr(app.absl_logging, "set_verbosity", lambda level: None)
    logger = logging.getLogger("keras_resnet")
    before = logger.handlers, logger.level, logger.propagate
    yield lambda main: app.run(lambda: None, main)
    logger.handlers, logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


@pytest.mark.parametrize("error", [ValueError, FileNotFoundError, ImportError, FloatingPointError, MemoryError])
def test_explained_errors_are_one_line(ended, error):
    def main(argv):
        raise error("Give a --workdir.")

    with pytest.raises(SystemExit) as stop:
        ended(main)
    assert stop.value.code == "error: Give a --workdir."  # Python prints it to stderr and exits with 1


def test_ctrl_c_is_one_line(ended):
    def main(argv):
        raise KeyboardInterrupt

    with pytest.raises(SystemExit, match="interrupted"):
        ended(main)


def test_bugs_keep_their_traceback(ended):
    def main(argv):
        raise TypeError("a bug")

    with pytest.raises(TypeError, match="a bug"):
        ended(main)


def test_messages_of_the_package_are_plain_lines_on_stdout(ended, capsys):
    def main(argv):
        print("before")
        logger = logging.getLogger("keras_resnet.training.loop")
        logger.debug("not shown")
        logger.info("Resuming %s.", "run")
        logger.warning("damaged")
        return 3

    with pytest.raises(SystemExit) as stop:
        ended(main)
    assert stop.value.code == 3
    assert capsys.readouterr() == ("before\nResuming run.\ndamaged\n", "")


def test_usage_names_the_script():
    assert app.usage_error(["scripts/predict.py"], "RUN IMAGE...").code == "usage: predict.py RUN IMAGE..."
