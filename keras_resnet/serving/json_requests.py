"""JSON of requests: read in a thread, and checked."""

import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from keras_resnet.errors import shown
from keras_resnet.serving.served_model import ServedModel, in_thread


async def json_object(request: Request, model: ServedModel) -> dict[str, Any]:
    """The JSON object in a request's body.

    Raises:
        HTTPException: 400 if the body is something else.
    """
    body = await request.body()
    try:
        content = await in_thread(model.decoders, _loads, body)
    except RecursionError:
        raise HTTPException(400, "The body is JSON that is nested too deeply.") from None
    except ValueError as error:  # also of text that is not UTF-8
        raise HTTPException(400, f"The body is not valid JSON ({error}).") from None
    if not isinstance(content, dict):
        raise HTTPException(400, f"The body must be a JSON object, not {shown(content)}.")
    return content


def _loads(body: bytes) -> Any:
    return json.loads(body, parse_constant=_refuse)


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
