"""Ctrl-C where Python would drop it."""

import gc
import signal
import sys
import time

import pytest

from keras_resnet.interrupts import ctrl_c_arrives, ctrl_c_exits


@pytest.fixture(autouse=True)
def python_handles_ctrl_c():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_in_a_callback_of_the_garbage_collector_arrives():
    calls = []

    def press_once(phase, info):
        if not calls:
            calls.append(phase)
            signal.raise_signal(signal.SIGINT)

    def work():
        with ctrl_c_arrives():
            gc.collect()
            time.sleep(60)

    gc.callbacks.append(press_once)
    start = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            work()
    finally:
        gc.callbacks.remove(press_once)
    assert calls == ["start"]
    assert time.monotonic() - start < 30


def test_other_dropped_exceptions_are_reported_as_before(monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)

    class Fails:
        def __del__(self):
            raise ValueError("dropped")

    with ctrl_c_arrives():
        Fails()
        gc.collect()
    assert [dropped.exc_type for dropped in reported] == [ValueError]
    assert sys.unraisablehook == reported.append


def test_handlers_of_others_keep_ctrl_c():
    """As in a background job, whose shell lets it ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with ctrl_c_exits():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_python_gets_ctrl_c_back_after_an_error():
    def work():
        with ctrl_c_exits():
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
            raise ImportError("no such package")

    with pytest.raises(ImportError, match="no such package"):
        work()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
