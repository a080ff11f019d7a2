"""The REST API of TensorFlow Serving.

Source: https://www.tensorflow.org/tfx/serving/api_rest
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from keras_resnet.errors import shown, unknown_name
from keras_resnet.runtimes.outputs import INPUT, SIGNATURE
from keras_resnet.serving.images import EncodedImage, NumberImage, as_array, from_base64, named_images
from keras_resnet.serving.json_requests import json_request
from keras_resnet.serving.served_model import ServedModel
from keras_resnet.serving.service import VERSION, requested_model

Shape = tuple[int | None, ...]
Outputs = dict[str, list]  # a list of one value per image, by the name of the output


class Signature(NamedTuple):
    """A signature of a SavedModel that `keras_resnet.export` writes.

    Attributes:
        input: name of its input.
        input_type: of its values.
        input_shape: a function of the model: the sides of the input; None for any.
        outputs: a function of the model and the probabilities (images, classes).
    """

    input: str
    input_type: str
    input_shape: Callable[[ServedModel], Shape]
    outputs: Callable[[ServedModel, np.ndarray], Outputs]


def _probabilities_and_classes(model: ServedModel, probabilities: np.ndarray) -> Outputs:
    return {"probabilities": probabilities.tolist(), "classes": model.top_names(probabilities)}


def _top_classes(model: ServedModel, probabilities: np.ndarray) -> Outputs:
    best = [model.best(row) for row in probabilities]
    return {
        "classes": [[name for name, _ in pairs] for pairs in best],
        "probabilities": [[probability for _, probability in pairs] for pairs in best],
    }


def _batch_of_images(model: ServedModel) -> Shape:
    return None, *model.metadata.image_shape


def _of_images(input_type: str) -> Signature:
    return Signature(INPUT, input_type, _batch_of_images, _probabilities_and_classes)


SIGNATURES = {
    SIGNATURE: _of_images("DT_FLOAT"),
    "serve_uint8": _of_images("DT_UINT8"),
    "serve_bytes": Signature("bytes", "DT_STRING", lambda model: (None,), _top_classes),
}
OUTPUT_TYPES = {"probabilities": "DT_FLOAT", "classes": "DT_STRING"}


async def models(request: Request) -> JSONResponse:
    """The served models; TensorFlow Serving has no such list."""
    described = [
        {"name": name, "runtime": model.artifact.runtime, "precision": model.metadata.precision}
        for name, model in request.app.state.service.models.items()
    ]
    return JSONResponse({"models": described})


async def status(request: Request) -> JSONResponse:
    """The state of a model."""
    requested_model(request)
    state = {"version": VERSION, "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    return JSONResponse({"model_version_status": [state]})


async def metadata(request: Request) -> JSONResponse:
    """The signatures of a model."""
    model = requested_model(request)
    return JSONResponse(
        {
            "model_spec": {"name": model.name, "signature_name": "", "version": VERSION},
            "metadata": {
                "signature_def": {
                    "signature_def": {name: _described(signature, model) for name, signature in SIGNATURES.items()}
                }
            },
        }
    )


def _described(signature: Signature, model: ServedModel) -> dict[str, Any]:
    inputs = {signature.input: _tensor(signature.input_type, signature.input_shape(model), signature.input)}
    example = signature.outputs(model, np.zeros((1, len(model.metadata.class_names)), "float32"))
    outputs = {
        name: _tensor(OUTPUT_TYPES[name], (None, *np.shape(values)[1:]), name) for name, values in example.items()
    }
    return {"inputs": inputs, "outputs": outputs, "method_name": "tensorflow/serving/predict"}


def _tensor(dtype: str, shape: Shape, name: str) -> dict[str, Any]:
    sides = [{"size": "-1" if side is None else str(side), "name": ""} for side in shape]
    return {"dtype": dtype, "tensor_shape": {"dim": sides, "unknown_rank": False}, "name": name}


class _Instances(NamedTuple):
    """The images of a request, and whether they are answered by row."""

    images: list[EncodedImage | NumberImage]
    signature: Signature
    by_row: bool


async def predict(request: Request) -> JSONResponse:
    """Answers instances by row ("predictions"), or inputs by column ("outputs")."""
    model = requested_model(request)
    images, signature, by_row = await json_request(request, model, _parsed)
    outputs = signature.outputs(model, await model.probabilities(images))
    if not by_row:
        return JSONResponse({"outputs": outputs})
    rows = [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]
    return JSONResponse({"predictions": rows})


def _parsed(content: dict[str, Any]) -> _Instances:
    """The images of a request.

    Raises:
        ValueError: the request has another form.
    """
    name = content.get("signature_name") or SIGNATURE
    if not (isinstance(name, str) and name in SIGNATURES):
        raise ValueError(str(unknown_name("signature_name", name, SIGNATURES)).rstrip("."))
    if ("instances" in content) == ("inputs" in content):
        raise ValueError('The body must have either "instances" or "inputs"')
    by_row, signature = "instances" in content, SIGNATURES[name]
    values = content["instances"] if by_row else _named(content["inputs"], signature)
    if not by_row and isinstance(values, dict):  # {"b64": ...}, a batch of one
        values = [values]
    if not isinstance(values, list) or not values:
        raise ValueError(f'"{"instances" if by_row else "inputs"}" must be a list of images, not empty')
    return _Instances(named_images(values, lambda value: _image(_named(value, signature))), signature, by_row)


def _named(value: Any, signature: Signature) -> Any:
    """The value of the signature's input, by its name or alone."""
    return value[signature.input] if isinstance(value, dict) and value.keys() == {signature.input} else value


def _image(value: Any) -> EncodedImage | NumberImage:
    if isinstance(value, list):
        return NumberImage(as_array(value))
    if isinstance(value, dict) and value.keys() == {"b64"}:
        return from_base64(value["b64"])
    raise ValueError(f'must be nested lists of numbers, or {{"b64": "..."}}, not {shown(value)}')


ROUTES = [
    Route("/v1/models", models),
    *(
        route
        for path in ("/v1/models/{name}", "/v1/models/{name}/versions/{version}")
        for route in (
            Route(f"{path}:predict", predict, methods=["POST"]),
            Route(f"{path}/metadata", metadata),
            Route(path, status),
        )
    ),
]
