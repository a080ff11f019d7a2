"""An HTTP service for exported models. It needs neither Keras nor TensorFlow."""

try:
    import starlette  # noqa: F401
    import uvicorn  # noqa: F401
except ImportError as error:
    raise ImportError(
        f'The service needs Starlette and uvicorn ({error}): pip install "resnet-keras[serve]"'
    ) from error

from keras_resnet.serving.application import application
from keras_resnet.serving.limits import Limits
from keras_resnet.serving.server import serve
from keras_resnet.serving.service import Service

__all__ = ["Limits", "Service", "application", "serve"]
