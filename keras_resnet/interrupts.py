"""Delivery of Ctrl-C where Python would drop it."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator

RETRY_AFTER = 0.05  # seconds
EXIT_CODE = 130  # of a program that Ctrl-C ends: 128 + SIGINT
LAST_WORDS = "interrupted; completed work is kept"


@contextlib.contextmanager
def ctrl_c_arrives() -> Iterator[None]:
    """A context in which Ctrl-C always raises a KeyboardInterrupt.

    Python reports and drops exceptions that are raised in finalizers and in callbacks of the garbage collector, where a
    process that builds a model spends much of its time. A KeyboardInterrupt among them is raised again.

    Example:
        >>> from keras_resnet.interrupts import ctrl_c_arrives
        >>> with ctrl_c_arrives():
        ...     pass  # work that can be interrupted
    """
    report, main_thread = sys.unraisablehook, threading.main_thread().ident

    def retry_or_report(dropped):
        if issubclass(dropped.exc_type, KeyboardInterrupt):
            threading.Timer(RETRY_AFTER, signal.pthread_kill, (main_thread, signal.SIGINT)).start()
        else:
            report(dropped)

    sys.unraisablehook = retry_or_report
    try:
        yield
    finally:
        sys.unraisablehook = report


@contextlib.contextmanager
def ctrl_c_exits() -> Iterator[None]:
    """A context in which Ctrl-C ends the process at once: imports of large packages catch and drop exceptions.

    Where Ctrl-C does something else than Python's default, as in a background job that ignores it, it still does that.

    Example:
        >>> from keras_resnet.interrupts import ctrl_c_exits
        >>> with ctrl_c_exits():
        ...     import json
    """

    def end(*_):
        os.write(2, f"{LAST_WORDS}\n".encode())
        os._exit(EXIT_CODE)

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
