"""Requests in JSON, and the numbers of query parameters."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request

from keras_resnet.errors import shown
from keras_resnet.serving.served_model import ServedModel, in_thread

T = TypeVar("T")


async def json_request(request: Request, model: ServedModel, parse: Callable[[dict[str, Any]], T]) -> T:
    """What `parse` makes of the JSON object in a request's body.

    Both run in one thread: Python's numbers take ten times the memory of their text, so only a few requests may have
    them at a time.

    Raises:
        HTTPException: 400 if the body is not a JSON object, or with the text of a ValueError of `parse`.
    """
    body = await request.body()
    try:
        return await in_thread(model.decoders, lambda: parse(_json_object(body)))
    except ValueError as error:
        raise HTTPException(400, f"{error}.") from None


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("The body is JSON that is nested too deeply") from None
    except ValueError as error:  # also of text that is not UTF-8
        raise ValueError(f"The body is not valid JSON ({error})") from None
    if not isinstance(content, dict):
        raise ValueError(f"The body must be a JSON object, not {shown(content)}")
    return content


def _refuse(constant: str) -> None:
    """Python reads NaN and Infinity, which JSON does not have."""
    raise ValueError(f"{constant} is not a number of JSON")


def whole_number(text: str, name: str, low: int, high: int) -> int:
    """The number of a query parameter.

    Raises:
        HTTPException: 400 if it is not a whole number from `low` to `high`.
    """
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and low <= int(text) <= high):
        raise HTTPException(400, f"{name}={shown(text)} must be a whole number from {low} to {high}.")
    return int(text)
