"""An image as the body, the occlusion map, health, and metrics."""

import re
import zlib

import numpy as np
import pytest

from keras_resnet.serving import Limits
from tests.photos import encode
from tests.serving.nets import CLASSES, colored, probabilities


@pytest.mark.parametrize("form", ["PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM"])
def test_predict_takes_an_image_as_the_body(client, form):
    image = np.full((12, 10, 3), (200, 100, 50), "uint8")
    answer = client.post("/predict", content=encode(image, form, **({"lossless": True} if form == "WEBP" else {})))
    best = answer.json()["predictions"]
    assert [each["class"] for each in best] == list(CLASSES)
    np.testing.assert_allclose([each["probability"] for each in best], probabilities(image), atol=1e-6)


def test_predict_uses_the_first_model_or_the_one_named(client):
    image = colored((200, 0, 0), 20, 40)
    image[:, 10:30] = (0, 0, 200)  # the center crop
    assert client.post("/predict/center?top=1", content=encode(image)).json()["predictions"][0]["class"] == "blue"
    whole = probabilities(image)
    [best] = client.post("/predict?top=1", content=encode(image)).json()["predictions"]
    assert best["class"] == CLASSES[whole.argmax()]
    np.testing.assert_allclose(best["probability"], whole.max(), atol=1e-6)
    assert client.post("/predict/corner", content=encode(image)).status_code == 404


@pytest.mark.parametrize("top", ["0", "4", "-1", "1.5", "x", "9" * 100, "²"])
def test_top_must_be_a_number_of_classes(client, top):
    answer = client.post("/predict", params={"top": top}, content=encode(colored((1, 2, 3))))
    assert answer.status_code == 400
    assert answer.json()["error"].endswith("must be a whole number from 1 to 3.")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The image is empty."),
        (b"hello", "The image is not an image in a known format ("),
        (encode(colored((1, 2, 3)))[:-30], "The image is damaged ("),
    ],
)
def test_unreadable_images_get_a_sentence(client, body, sentence):
    answer = client.post("/predict", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(sentence)


@pytest.mark.parametrize(
    ("side", "sentence"),
    [
        (8_000, "The image has 8000 x 8000 pixels; this service takes at most 50,000,000."),
        (20_000, "The image has more than 178,956,970 pixels."),
    ],
)
def test_images_with_too_many_pixels_are_refused_by_their_header(client, side, sentence):
    sides = side.to_bytes(4, "big") * 2
    chunks = [b"IHDR" + sides + b"\x08\x02\x00\x00\x00", b"IDAT"]
    sealed = [(len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big") for chunk in chunks]
    header = b"".join([b"\x89PNG\r\n\x1a\n", *sealed])
    answer = client.post("/predict", content=header)
    assert answer.status_code == 400
    assert answer.json()["error"] == sentence


def test_a_model_of_any_size_does_not_take_huge_images(client):
    photo = encode(np.zeros((2_500, 2_000, 3), "uint8"))
    answer = client.post("/predict/colors", content=photo)
    assert (answer.status_code, answer.json()["error"]) == (
        400,
        "The image has 2000 x 2500 pixels, and this model takes whole images: at most 4,000,000 pixels.",
    )
    assert client.post("/predict/center", content=photo).status_code == 200


def test_forms_and_compressed_bodies_are_refused(client):
    answer = client.post("/predict", files={"image": encode(colored((1, 2, 3)))})
    assert (answer.status_code, "curl --data-binary" in answer.json()["error"]) == (415, True)
    answer = client.post("/predict", content=b"x", headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, "Content-Encoding" in answer.json()["error"]) == (415, True)


def test_unknown_paths_get_a_sentence(client):
    answer = client.get("/nothing")
    assert (answer.status_code, answer.json()["error"].split(";")[0]) == (404, "There is nothing at /nothing")
    assert client.get("/predict").json()["error"] == "GET does not work for /predict; use POST."


def test_explain_measures_what_covering_a_patch_costs(client):
    image = np.zeros((8, 8, 3), "uint8")
    image[:4, :4] = (250, 0, 0)
    answer = client.post("/explain/center?grid=4", content=encode(image)).json()
    before = probabilities(image)
    color = image.mean((0, 1)).astype("uint8")
    expected = np.zeros((4, 4))
    for row in range(4):
        for column in range(4):
            covered = image.copy()
            covered[2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = color
            expected[row, column] = before[0] - probabilities(covered)[0]
    assert answer["class"] == "red"
    np.testing.assert_allclose(answer["probability"], before[0], atol=1e-6)
    np.testing.assert_allclose(answer["drops"], expected, atol=1e-6)
    assert (expected[:2, :2] > 0).all()
    assert (expected[2:] < 0).all()
    assert answer["box"] == [0, 0, 1, 1]


def test_explain_takes_a_class_and_a_limited_grid(client):
    body = encode(colored((200, 100, 0), 16, 8))
    answer = client.post("/explain", params={"class": "blue", "grid": 2}, content=body).json()
    assert (answer["class"], np.shape(answer["drops"])) == ("blue", (2, 2))
    assert client.post("/explain", params={"class": "pink"}, content=body).status_code == 400
    for grid in ("1", "17", "x"):
        answer = client.post("/explain", params={"grid": grid}, content=body)
        assert answer.json()["error"] == f"grid='{grid}' must be a whole number from 2 to 16."


def test_explain_leaves_room_for_others(start, artifacts):
    client = start(artifacts, Limits(max_batch=4, max_queue=8))
    answer = client.post("/explain?grid=5", content=encode(colored((200, 100, 0)))).json()
    assert np.shape(answer["drops"]) == (5, 5)


def test_health_needs_no_model(client):
    assert client.get("/healthz").json() == {"live": True}
    assert client.get("/readyz").json() == {"ready": True}
    listed = client.get("/v1/models").json()["models"]
    assert listed[0] == {"name": "colors", "runtime": "onnx", "precision": "float32"}


SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\.)*",?)*)\})? (\S+)')


def parsed(text: str) -> dict[tuple[str, str], float]:
    """The samples of Prometheus's text format; every line must be one, or a comment."""
    samples = {}
    for line in text.splitlines():
        if not line.startswith(("# HELP ", "# TYPE ")):
            name, labels, value = SAMPLE.fullmatch(line).groups()
            samples[name, labels or ""] = float(value)
    return samples


def test_metrics_count_requests_images_and_batches(client, images):
    client.post("/predict", content=encode(images[0]))
    client.post("/predict", content=b"x")
    client.post("/v1/models/colors:predict", json={"instances": [image.tolist() for image in images]})
    client.get("/nothing/at/all")
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = parsed(answer.text)
    requests = "keras_resnet_requests_total"
    assert samples[requests, 'path="/predict",code="200"'] == 1
    assert samples[requests, 'path="/predict",code="400"'] == 1
    assert samples[requests, 'path="/v1/models/{name}:predict",code="200"'] == 1
    assert samples[requests, 'path="other",code="404"'] == 1
    assert samples["keras_resnet_images_total", 'model="colors"'] == 4
    assert samples["keras_resnet_batch_images_sum", 'model="colors"'] == 4
    assert samples["keras_resnet_queue_images", 'model="colors"'] == 0
    seconds = "keras_resnet_request_duration_seconds"
    of_path = {labels: value for (name, labels), value in samples.items() if name == f"{seconds}_bucket"}
    buckets = [value for labels, value in of_path.items() if labels.startswith('path="/predict",')]
    assert buckets == sorted(buckets)
    assert buckets[-1] == samples[f"{seconds}_count", 'path="/predict"'] == 2
