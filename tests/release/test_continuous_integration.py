"""The public CI runs what setup.py and the Makefile say."""

import re

from tests.conftest import REPOSITORY

WORKFLOW = (REPOSITORY / ".github/workflows/ci.yml").read_text(encoding="utf-8")


def test_it_tests_each_supported_python():
    [versions] = re.findall(r"python: \[(.*)\]", WORKFLOW)
    supported = re.findall(r"Python :: (3\.\d+)", (REPOSITORY / "setup.py").read_text(encoding="utf-8"))
    assert re.findall(r"3\.\d+", versions) == supported


def test_it_runs_targets_of_the_makefile():
    targets = re.findall(r"run: make (\S+)", WORKFLOW)
    assert {"check", "test", "test-lowest", "dist"} <= set(targets)
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
