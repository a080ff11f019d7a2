"""The service's own requests: an image as the body, health, metrics, and the page."""

import dataclasses
import itertools

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from keras_resnet.runtimes import Metadata, occlusion
from keras_resnet.serving import metrics, page
from keras_resnet.serving.images import EncodedImage, viewed
from keras_resnet.serving.json_requests import whole_number
from keras_resnet.serving.limits import MAX_GRID
from keras_resnet.serving.open_inference import live, ready
from keras_resnet.serving.served_model import TOP, ServedModel, all_rows
from keras_resnet.serving.service import requested_model


async def predict(request: Request) -> JSONResponse:
    """The most probable classes of the image in the body; `?top=5` says how many."""
    model = requested_model(request)
    classes = len(model.metadata.class_names)
    top = whole_number(request.query_params.get("top", str(min(TOP, classes))), "top", 1, classes)
    [row] = await model.probabilities([await _image(request)])
    best = [{"class": name, "probability": probability} for name, probability in model.best(row, top)]
    return JSONResponse({"predictions": best})


async def explain(request: Request) -> JSONResponse:
    """How much the probability of a class drops when a patch of the image is covered.

    `?grid=7` says how many patches a side has, `?class=NAME` the class; by default the most probable one.
    """
    model = requested_model(request)
    grid = whole_number(request.query_params.get("grid", str(occlusion.GRID)), "grid", 2, MAX_GRID)
    image = await _image(request)
    with model.queue.admitted(1) as admission:
        seen = await model.decoded(lambda metadata: _seen(image, metadata), "The image")
        row = await admission.compute(seen.image)
    index = _class_index(model, row, request.query_params.get("class"))
    covered = await _covered_probabilities(model, seen.image, grid, index)
    drops = (row[index] - covered).reshape(grid, grid)
    return JSONResponse(
        {
            "class": model.metadata.class_names[index],
            "probability": float(row[index]),
            "drops": drops.tolist(),
            "box": seen.box,
        }
    )


@dataclasses.dataclass(frozen=True)
class _Seen:
    """What a model sees of an image, and which part of the image that is."""

    image: np.ndarray
    box: tuple[float, float, float, float]  # left, top, width, height, as fractions of the upright image


def _seen(image: EncodedImage, metadata: Metadata) -> _Seen:
    pixels = image.pixels(metadata)
    height, width, _ = pixels.shape
    return _Seen(viewed(pixels, metadata), occlusion.seen_part((height, width), metadata.default_view))


def _class_index(model: ServedModel, row: np.ndarray, name: str | None) -> int:
    names = model.metadata.class_names
    if name is None:
        return int(row.argmax())
    if name not in names:
        raise HTTPException(400, f"The model has no class {name!r}.")
    return names.index(name)


async def _covered_probabilities(model: ServedModel, image: np.ndarray, grid: int, index: int) -> np.ndarray:
    """The probability of a class for each covered patch; a batch at a time, so that other requests come between."""
    covered = occlusion.occluded(image, grid)
    size = min(model.limits.max_batch, model.limits.max_queue)
    found = []
    while batch := list(itertools.islice(covered, size)):
        with model.queue.admitted(len(batch)) as admission:
            found.append((await all_rows(admission, batch))[:, index])
    return np.concatenate(found)


async def _image(request: Request) -> EncodedImage:
    """The image in the body of a request.

    Raises:
        HTTPException: 415 if the body is a form.
    """
    if request.headers.get("content-type", "").startswith("multipart/"):
        raise HTTPException(
            415, "Send the image itself as the body, not a form: curl --data-binary @cat.jpg URL/predict."
        )
    return EncodedImage(await request.body())


async def show_metrics(request: Request) -> Response:
    """The metrics of the service for Prometheus."""
    return Response(request.app.state.service.metrics.text(), media_type=metrics.CONTENT_TYPE)


async def show_page(_: Request) -> HTMLResponse:
    """The page on which people drop photos."""
    return HTMLResponse(page.HTML, headers=page.HEADERS)


ROUTES = [
    Route("/", show_page),
    Route("/healthz", live),
    Route("/readyz", ready),
    Route("/metrics", show_metrics),
    *(
        route
        for end in ("", "/{name}")
        for route in (
            Route(f"/predict{end}", predict, methods=["POST"]),
            Route(f"/explain{end}", explain, methods=["POST"]),
        )
    ),
]
