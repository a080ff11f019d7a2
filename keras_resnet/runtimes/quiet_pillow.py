"""A context without Pillow's warnings, for several threads at a time."""

import contextlib
import threading
import warnings
from collections.abc import Iterator

_lock = threading.Lock()
_inside = 0  # contexts, of all threads
_filters = contextlib.ExitStack()  # the changed filters, while there is a thread inside


@contextlib.contextmanager
def quiet_pillow() -> Iterator[None]:
    """A context without Pillow's warnings, about large images and odd metadata; threads may overlap in it.

    Filters of warnings belong to the process: threads that each change and restore them would leave them changed.
    Therefore the first thread changes them, and the last one restores them.

    Example:
        >>> from keras_resnet.runtimes.quiet_pillow import quiet_pillow
        >>> with quiet_pillow():
        ...     pass  # open an image
    """
    global _inside
    with _lock:
        if not _inside:
            _filters.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module="PIL")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _filters.close()
