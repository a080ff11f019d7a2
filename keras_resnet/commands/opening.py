"""Opens the models of `predict` and `serve`; those of other runtimes than TensorFlow without importing it."""

from keras_resnet.runtimes import RUNTIMES, Artifact, open_artifact, runtime_of


def needs_tensorflow(model: str, runtime: str | None = None) -> bool:
    """Whether the runtime of a model is TensorFlow's; the others start sooner.

    Args:
        model: as for `open_in_runtime`.
        runtime: likewise.

    Example:
        >>> from keras_resnet.commands.opening import needs_tensorflow
        >>> needs_tensorflow("net.onnx"), needs_tensorflow("NET.KERAS"), needs_tensorflow("some_run")
        (False, True, True)
    """
    runtime = runtime or runtime_of(model)
    return runtime is None or RUNTIMES[runtime].needs_tensorflow


def open_in_runtime(model: str, runtime: str | None = None, threads: int | None = None) -> Artifact:
    """Opens a model in its runtime. The last layer of a Keras model tells whether its outputs are probabilities.

    Args:
        model: path of an exported model, run directory, `.keras` file or id of weights, as on the command line.
        runtime: a key of `RUNTIMES`; None for the one of the artifact, and Keras for models and runs.
        threads: of the runtime; None for one for each core.

    Raises:
        FileNotFoundError: there is no such model.
        ImportError: the runtime is not installed; the message says how to install it.
        ValueError: the model is damaged, does not fit the runtime, or is not a classifier of images.
    """
    if not needs_tensorflow(model, runtime):
        return open_artifact(model, runtime, threads)
    from keras_resnet.evaluation.opening import open_model
    from keras_resnet.runtimes.tensorflow_threads import set_threads

    set_threads(threads)  # before TensorFlow computes
    return open_model(model, runtime)
