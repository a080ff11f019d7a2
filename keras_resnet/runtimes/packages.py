"""Imports the optional packages of runtimes and exporters."""

import importlib
import sys
from types import ModuleType


def import_package(name: str, extra: str) -> ModuleType:
    """Imports an optional package, or a module of it, when it is needed.

    Args:
        name: of the module, such as "onnxruntime".
        extra: of this package that installs it.

    Raises:
        ImportError: it is not installed; the message names the extra.

    Example:
        >>> from keras_resnet.runtimes.packages import import_package
        >>> import_package("no_such_package", extra="onnx")
        Traceback (most recent call last):
        ...
        ImportError: no_such_package is not installed; run: pip install "resnet-keras[onnx]"
    """
    stop_telemetry()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ImportError(f'{error.name} is not installed; run: pip install "resnet-keras[{extra}]"') from error


def stop_telemetry() -> None:
    """Keeps OpenVINO and NNCF, if they are not imported yet, from reporting each use to Google Analytics.

    They do so, even at import, unless their package for it is missing.

    Example:
        >>> from keras_resnet.runtimes.packages import stop_telemetry
        >>> stop_telemetry()
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
