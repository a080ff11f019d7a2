"""`Gateway`: what every request passes: token, limits and metrics."""

import asyncio
import http

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keras_resnet.serving.limits import MEGABYTE
from keras_resnet.serving.service import Service

# Answered without a token, and while the service stops or is full.
PROBES = {"/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"}
OPEN_PATHS = {"/", *PROBES}  # without a token
NO_ANSWER = 499  # as nginx logs requests whose client has gone


class Gateway:
    """An ASGI application around another: checks the token, the size and the time of each request, and counts it.

    Args:
        app: the application.
        service: its service.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        clock = asyncio.get_running_loop().time
        start, exchange = clock(), _Exchange(self.service, scope, receive, send)
        try:
            await self._answer(exchange)
        finally:
            exchange.close()
            path = getattr(scope.get("route"), "path", "other")
            self.service.metrics.requests.add(path, str(exchange.status))
            self.service.metrics.seconds.add(path, measured=clock() - start)

    async def _answer(self, exchange: "_Exchange") -> None:
        try:
            exchange.open()
            async with asyncio.timeout(self.service.limits.timeout_s):
                await self.app(exchange.scope, exchange.receive, exchange.send)
        except HTTPException as error:
            await exchange.refuse(error)
        except TimeoutError:
            if exchange.status == NO_ANSWER:  # else the connection ends
                await exchange.refuse(exchange.too_late())


class _Exchange:
    """One request and its response."""

    def __init__(self, service: Service, scope: Scope, receive: Receive, send: Send) -> None:
        self.service = service
        self.scope = scope
        self.request = Request(scope)
        self.next_message = receive
        self.send_message = send
        self.body_bytes = 0
        self.received = False  # the whole body
        self.status = NO_ANSWER
        self.opened = False

    def open(self) -> None:
        """Checks what the headers say.

        Raises:
            HTTPException: the request is refused.
        """
        path, headers = self.scope["path"], self.request.headers
        if path not in OPEN_PATHS:
            self.service.authorize(headers.get("authorization"))
        if path not in PROBES:
            self.service.admit()
        self.service.under_way += 1
        self.opened = True
        if headers.get("content-encoding", "identity") != "identity":
            raise HTTPException(415, "Compressed bodies are not supported; send the body without Content-Encoding.")
        length = headers.get("content-length", "0")
        self._check_size(int(length) if length.isascii() and length.isdecimal() else 0)

    def close(self) -> None:
        """Gives back what the request took."""
        self.service.hold(-self.body_bytes)
        self.service.under_way -= self.opened

    async def receive(self) -> Message:
        """The next part of the body, which counts.

        Raises:
            HTTPException: the body is too large.
        """
        message = await self.next_message()
        size = len(message.get("body", b""))
        self.body_bytes += size
        self.service.hold(size)
        self._check_size(self.body_bytes)
        self.received = not message.get("more_body", False)
        return message

    def _check_size(self, size: int) -> None:
        limits = self.service.limits
        if size > limits.max_body:
            raise HTTPException(
                413, f"The body has {size / MEGABYTE:.1f} MB or more; this service takes {limits.max_body_mb:g} MB."
            )

    async def send(self, message: Message) -> None:
        """Sends a part of the response, and notes its status."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self.send_message(message)

    async def refuse(self, error: HTTPException) -> None:
        """Answers with an error."""
        await error_response(self.request, error)(self.scope, self.receive, self.send)

    def too_late(self) -> HTTPException:
        """The error of a request that took longer than the limit."""
        limit = f"{self.service.limits.timeout_s:g} s"
        if self.received:
            return HTTPException(504, f"The model did not answer within {limit}; send fewer images, or try again.")
        return HTTPException(408, f"The body did not arrive within {limit}.", {"Connection": "close"})


def error_response(request: Request, error: Exception) -> JSONResponse:
    """The answer to a request that failed: a JSON object with the sentence of the error."""
    if isinstance(error, ClientDisconnect):
        return JSONResponse({"error": "The client has gone."}, NO_ANSWER)
    if not isinstance(error, HTTPException):
        return JSONResponse({"error": "The service failed; see its log."}, 500)
    sentence = error.detail
    if error.status_code == http.HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "another method")
        sentence = f"{request.method} does not work for {request.url.path}; use {allowed}."
    return JSONResponse({"error": sentence}, error.status_code, error.headers)
