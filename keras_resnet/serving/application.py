"""`application`: a service as an ASGI application."""

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from keras_resnet.serving import image_api, open_inference, tensorflow_serving
from keras_resnet.serving.gateway import Gateway, error_response
from keras_resnet.serving.service import Service


def application(service: Service) -> Gateway:
    """The ASGI application of a service, for any ASGI server.

    Example:
        >>> from keras_resnet.serving import Service, application
        >>> application(Service({}))
        Traceback (most recent call last):
        ...
        ValueError: There are no models to serve.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = Starlette(
        routes=[*image_api.ROUTES, *tensorflow_serving.ROUTES, *open_inference.ROUTES],
        exception_handlers=dict.fromkeys((HTTPException, ClientDisconnect, Exception), _handle),
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.router.default = _not_found
    app.state.service = service
    return Gateway(app, service)


async def _handle(request: Request, error: Exception) -> JSONResponse:
    return error_response(request, error)


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    path = Request(scope).url.path
    raise HTTPException(404, f"There is nothing at {path}; send an image to /predict, or open / in a browser.")
