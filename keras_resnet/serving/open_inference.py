"""The Open Inference Protocol, version 2, over HTTP.

Source: https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

import math
from typing import Any, NamedTuple

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import keras_resnet
from keras_resnet.errors import shown, unknown_name
from keras_resnet.rules import POSITIVE_INTEGER
from keras_resnet.runtimes.outputs import INPUT
from keras_resnet.serving.images import EncodedImage, NumberImage, as_array, from_base64
from keras_resnet.serving.json_requests import json_request
from keras_resnet.serving.served_model import TOP, ServedModel
from keras_resnet.serving.service import VERSION, requested_model

NUMBERS = ("FP32", "UINT8")  # datatypes of images
BYTES = "BYTES"
OUTPUTS = ("probabilities", "classes")


async def server(_: Request) -> JSONResponse:
    """What the server is."""
    return JSONResponse({"name": "keras-resnet", "version": keras_resnet.__version__, "extensions": []})


async def live(_: Request) -> JSONResponse:
    """The service is alive."""
    return JSONResponse({"live": True})


async def ready(request: Request) -> JSONResponse:
    """Whether the service takes requests: 503 while it stops."""
    stopping = request.app.state.service.draining
    return JSONResponse({"ready": not stopping}, 503 if stopping else 200)


async def model_ready(request: Request) -> JSONResponse:
    """A served model is ready."""
    return JSONResponse({"name": requested_model(request).name, "ready": True})


async def model_metadata(request: Request) -> JSONResponse:
    """The inputs and outputs of a model."""
    model = requested_model(request)
    shape = [-1 if side is None else side for side in (None, *model.metadata.image_shape)]
    classes = len(model.metadata.class_names)
    return JSONResponse(
        {
            "name": model.name,
            "versions": [VERSION],
            "platform": f"{model.artifact.runtime}_{model.metadata.precision}",
            "inputs": [{"name": INPUT, "datatype": "FP32", "shape": shape}],
            "outputs": [
                {"name": "probabilities", "datatype": "FP32", "shape": [-1, classes]},
                {"name": "classes", "datatype": BYTES, "shape": [-1, min(TOP, classes)]},
            ],
        }
    )


async def infer(request: Request) -> JSONResponse:
    """Answers a tensor of images."""
    model = requested_model(request)
    if "inference-header-content-length" in request.headers:
        raise HTTPException(415, "Binary tensors are not supported; send tensors as JSON.")
    asked = await json_request(request, model, _parsed)
    outputs = _outputs(model, await model.probabilities(asked.images))
    answer = {"model_name": model.name, "model_version": VERSION, "outputs": [outputs[name] for name in asked.outputs]}
    return JSONResponse({**asked.identifier, **answer})


class _Asked(NamedTuple):
    """The images of a request, the names of the outputs that it asks for, and its identifier, if it has one."""

    images: list[EncodedImage | NumberImage]
    outputs: list[str]
    identifier: dict[str, Any]


def _parsed(content: dict[str, Any]) -> _Asked:
    """The content of a request.

    Raises:
        ValueError: the request has another form.
    """
    outputs = _wanted_outputs(content)
    inputs = content.get("inputs")
    if not (isinstance(inputs, list) and len(inputs) == 1 and isinstance(inputs[0], dict)):
        raise ValueError(f'"inputs" must be a list of one tensor, "{INPUT}"')
    try:
        images = _tensor_images(inputs[0])
    except ValueError as error:
        raise ValueError(f'The input "{INPUT}" {error}') from None
    return _Asked(images, outputs, _identifier(content))


def _identifier(content: dict[str, Any]) -> dict[str, str]:
    """The identifier of a request, as its answer repeats it."""
    if "id" not in content:
        return {}
    identifier = content["id"]
    if not (isinstance(identifier, str) and identifier.isprintable()):  # half a surrogate pair is not
        raise ValueError(f'"id" must be printable text, not {shown(identifier)}')
    return {"id": identifier}


def _outputs(model: ServedModel, probabilities: np.ndarray) -> dict[str, dict[str, Any]]:
    names = np.array(model.top_names(probabilities), object)
    return {
        "probabilities": _tensor("probabilities", "FP32", probabilities),
        "classes": _tensor("classes", BYTES, names),
    }


def _tensor(name: str, datatype: str, values: np.ndarray) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": list(values.shape), "data": values.ravel().tolist()}


def _wanted_outputs(content: dict[str, Any]) -> list[str]:
    """The names of the outputs that a request asks for; all if it names none."""
    asked = content.get("outputs") or [{"name": name} for name in OUTPUTS]
    if not (isinstance(asked, list) and all(isinstance(each, dict) for each in asked)):
        raise ValueError('"outputs" must be a list of objects with a "name"')
    for each in asked:
        if each.get("name") not in OUTPUTS:
            raise ValueError(str(unknown_name("output", each.get("name"), OUTPUTS)).rstrip("."))
    names = [each["name"] for each in asked]
    if len(set(names)) < len(names):
        raise ValueError('"outputs" must name each output once')
    return names


def _tensor_images(tensor: dict[str, Any]) -> list[EncodedImage | NumberImage]:
    name, datatype, shape, data = (tensor.get(key) for key in ("name", "datatype", "shape", "data"))
    if name != INPUT:
        raise ValueError(f"is the only one, not {shown(name)}")
    if not (isinstance(shape, list) and shape and all(map(POSITIVE_INTEGER.holds, shape))):
        raise ValueError(f'needs a "shape" of positive integers, not {shown(shape)}')
    if not isinstance(data, list):
        raise ValueError(f'needs "data", a list, not {shown(data)}')
    if datatype == BYTES:
        return _encoded_images(shape, data)
    if not (isinstance(datatype, str) and datatype in NUMBERS):
        raise ValueError(f"has the datatype {shown(datatype)}; this model takes {', '.join(NUMBERS)} and {BYTES}")
    return _number_images(shape, data, datatype)


def _encoded_images(shape: list[int], data: list) -> list[EncodedImage | NumberImage]:
    texts = [text for item in data for text in (item if isinstance(item, list) else [item])]
    if len(shape) > 2 or len(texts) != math.prod(shape):
        raise ValueError(f"has the shape {shown(shape)}, but {len(texts)} values")
    return [from_base64(text) for text in texts]


def _number_images(shape: list[int], data: list, datatype: str) -> list[EncodedImage | NumberImage]:
    """Numbers, flat or nested as their shape says."""
    numbers = as_array(data)
    if len(shape) != 4 or numbers.size != math.prod(shape):
        raise ValueError(f"has the shape {shown(shape)}, but {numbers.size} values")
    if numbers.ndim > 1 and numbers.shape != tuple(shape):
        raise ValueError(f"has the shape {shown(shape)}, but data nested as {numbers.shape}")
    if datatype == "UINT8" and numbers.dtype.kind != "i":
        raise ValueError("has the datatype UINT8, but values that are not integers")
    return [NumberImage(image) for image in numbers.reshape(shape)]


ROUTES = [
    Route("/v2", server),
    Route("/v2/health/live", live),
    Route("/v2/health/ready", ready),
    *(
        route
        for path in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}")
        for route in (
            Route(f"{path}/infer", infer, methods=["POST"]),
            Route(f"{path}/ready", model_ready),
            Route(path, model_metadata),
        )
    ),
]
