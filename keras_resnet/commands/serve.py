"""Serves exported models over HTTP."""

import dataclasses
import os
import pathlib
from typing import Any

from absl import flags

from keras_resnet.commands import opening
from keras_resnet.commands.flags import DEFINE, FLAGS, group, refuse
from keras_resnet.serving import Limits, serve
from keras_resnet.serving.service import check_names

TOKEN_VARIABLE = "KERAS_RESNET_TOKEN"


def define_flags() -> None:
    """Defines the flags of the command."""
    with group("run"):
        flags.DEFINE_string("host", "127.0.0.1", "Address to listen at; 0.0.0.0 for all of this machine.")
        flags.DEFINE_integer("port", 8000, "Port to listen at; 0 for a free one.", 0, 65535)
        flags.DEFINE_string("token", None, f"Token that requests must carry, or set {TOKEN_VARIABLE}.")
    with group("devices"):
        flags.DEFINE_integer("threads", None, "Number of threads of a model [one for each core].", lower_bound=1)
    with group("limits"):
        for field in dataclasses.fields(Limits):
            DEFINE[field.type](field.name, field.default, field.metadata["help"])


def check_flags() -> None:
    """Refuses limits that are out of range, and an empty token."""
    _limits()
    refuse([(_token() == "", f"The token is empty; choose one, or leave out --token and {TOKEN_VARIABLE}.")])


def needs_tensorflow(argv: list[str]) -> bool:
    """Whether the runtime of a model is TensorFlow's."""
    return any(map(opening.needs_tensorflow, named_paths(argv[1:]).values()))


def main(argv: list[str]) -> None:
    """Opens the models, and serves them until SIGTERM or Ctrl-C.

    Raises:
        ValueError: two models have the same name, or a model is damaged.
    """
    paths = named_paths(argv[1:])
    check_names(paths)
    artifacts = {name: opening.open_in_runtime(path, threads=FLAGS.threads) for name, path in paths.items()}
    serve(artifacts, FLAGS.host, FLAGS.port, _token(), _limits())


def _limits() -> Limits:
    values: dict[str, Any] = {field.name: FLAGS[field.name].value for field in dataclasses.fields(Limits)}
    return Limits(**values)


def _token() -> str | None:
    return os.environ.get(TOKEN_VARIABLE) if FLAGS.token is None else FLAGS.token


def named_paths(arguments: list[str]) -> dict[str, str]:
    """The paths of models by their names, from arguments NAME=PATH or PATH; the name is then that of the file.

    Raises:
        ValueError: two models have the same name.

    Example:
        >>> from keras_resnet.commands.serve import named_paths
        >>> named_paths(["small=nets/resnet18.onnx", "nets/resnet50.xml"])
        {'small': 'nets/resnet18.onnx', 'resnet50': 'nets/resnet50.xml'}
    """
    paths: dict[str, str] = {}
    for argument in arguments:
        name, separator, path = argument.partition("=")
        if not separator or "/" in name:  # a path may have the sign, too
            name, path = pathlib.Path(argument).stem, argument
        if name in paths:
            raise ValueError(f"Two models have the name {name}; name one of them: other_name={path}.")
        paths[name] = path
    return paths
