"""The REST API of TensorFlow Serving, field by field."""

import base64

import numpy as np
import pytest

from keras_resnet.runtimes import open_artifact
from keras_resnet.view import View
from tests.photos import encode
from tests.serving.nets import CLASSES, colored, probabilities, write_net

PREDICT = "/v1/models/colors:predict"


def b64(content: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(content).decode()}


def test_status_is_that_of_the_protocol(client):
    available = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    for path in ("/v1/models/colors", "/v1/models/colors/versions/1"):
        assert client.get(path).json() == {"model_version_status": [available]}


def test_metadata_describe_the_signatures(client):
    answer = client.get("/v1/models/center/metadata").json()
    assert answer["model_spec"] == {"name": "center", "signature_name": "", "version": "1"}
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    default = signatures["serving_default"]
    assert default["method_name"] == "tensorflow/serving/predict"
    assert default["inputs"]["images"]["dtype"] == "DT_FLOAT"
    sides = [side["size"] for side in default["inputs"]["images"]["tensor_shape"]["dim"]]
    assert sides == ["-1", "8", "8", "3"]
    outputs = {
        name: (tensor["dtype"], [side["size"] for side in tensor["tensor_shape"]["dim"]])
        for name, tensor in default["outputs"].items()
    }
    assert outputs == {"probabilities": ("DT_FLOAT", ["-1", "3"]), "classes": ("DT_STRING", ["-1", "3"])}
    assert signatures["serve_uint8"]["inputs"]["images"]["dtype"] == "DT_UINT8"
    (serve_bytes,) = signatures["serve_bytes"]["inputs"].values()
    assert (serve_bytes["dtype"], serve_bytes["tensor_shape"]["dim"]) == ("DT_STRING", [{"size": "-1", "name": ""}])


@pytest.mark.parametrize("named", [False, True])
def test_instances_are_answered_by_row(client, images, named):
    values = [image.tolist() for image in images]
    instances = [{"images": value} for value in values] if named else values
    answer = client.post(PREDICT, json={"instances": instances})
    assert answer.status_code == 200
    rows = answer.json()["predictions"]
    assert answer.json().keys() == {"predictions"}
    for row, image in zip(rows, images, strict=True):
        expected = probabilities(image)
        assert row.keys() == {"probabilities", "classes"}
        np.testing.assert_allclose(row["probabilities"], expected, atol=1e-6)
        assert row["classes"] == [CLASSES[index] for index in np.argsort(-expected)]


@pytest.mark.parametrize("named", [False, True])
def test_inputs_are_answered_by_column(client, images, named):
    values = [image.tolist() for image in images]
    outputs = client.post(PREDICT, json={"inputs": {"images": values} if named else values}).json()["outputs"]
    np.testing.assert_allclose(outputs["probabilities"], [probabilities(image) for image in images], atol=1e-6)
    assert len(outputs["classes"]) == 3


def test_encoded_images_have_the_answer_of_their_pixels(client, images):
    instances = [b64(encode(image)) for image in images]
    for signature in ({}, {"signature_name": "serving_default"}, {"signature_name": "serve_uint8"}):
        answer = client.post(PREDICT, json={**signature, "instances": instances}).json()["predictions"]
        expected = [probabilities(image) for image in images]
        np.testing.assert_allclose([row["probabilities"] for row in answer], expected, atol=1e-6)


def test_serve_bytes_returns_the_top_classes(client, images):
    request = {"signature_name": "serve_bytes", "instances": [{"bytes": b64(encode(images[0]))}]}
    [row] = client.post(PREDICT, json=request).json()["predictions"]
    expected = probabilities(images[0])
    order = np.argsort(-expected)
    assert row["classes"] == [CLASSES[index] for index in order]
    np.testing.assert_allclose(row["probabilities"], expected[order], atol=1e-6)
    one = {"signature_name": "serve_bytes", "inputs": {"bytes": b64(encode(images[0]))}}
    assert client.post(PREDICT, json=one).json()["outputs"] == {name: [value] for name, value in row.items()}


def test_numbers_may_be_fractions(client, images):
    image = images[0] * 0.25
    [row] = client.post(PREDICT, json={"instances": [image.tolist()]}).json()["predictions"]
    np.testing.assert_allclose(row["probabilities"], probabilities(image), atol=1e-6)


def test_images_of_one_request_may_differ_in_size(client, images):
    instances = [images[0].tolist(), images[1][:5].tolist(), b64(encode(images[2][:, :7]))]
    rows = client.post(PREDICT, json={"instances": instances}).json()["predictions"]
    expected = [probabilities(image) for image in (images[0], images[1][:5], images[2][:, :7])]
    np.testing.assert_allclose([row["probabilities"] for row in rows], expected, atol=1e-6)


DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The body is not valid JSON (Expecting value: line 1 column 1 (char 0))."),
        (b"\xff\xfe\xfd", "The body is not valid JSON ("),
        (DEEP.encode(), "The body is JSON that is nested too deeply."),
        (b"[1]", "The body must be a JSON object, not [1]."),
        (b"{}", 'The body must have either "instances" or "inputs".'),
        (b'{"instances": [], "inputs": []}', 'The body must have either "instances" or "inputs".'),
        (b'{"instances": []}', '"instances" must be a list of images, not empty.'),
        (b'{"instances": {"a": 1}}', '"instances" must be a list of images, not empty.'),
        (b'{"inputs": 5}', '"inputs" must be a list of images, not empty.'),
        (b'{"instances": [NaN]}', "The body is not valid JSON (NaN is not a number of JSON)."),
        (b'{"instances": [1]}', 'The image must be nested lists of numbers, or {"b64": "..."}, not 1.'),
        (b'{"instances": [{"b64": 1}]}', "The image must be base64 text, not 1."),
        (b'{"instances": [{"b64": "?"}]}', "The image is not valid base64 ("),
        (b'{"instances": [{"b64": ""}]}', "The image is empty."),
        (b'{"instances": [{"b64": "aGVsbG8="}]}', "The image is not an image in a known format"),
        (b'{"instances": [[[[1, 2]]]]}', "The image has 2 channels, but the model takes 3."),
        (b'{"instances": [[[[[1]]]]]}', "The image has the shape (1, 1, 1, 1), not (height, width, channels)."),
        (b'{"instances": [[[[]]]]}', "The image has the shape (1, 1, 0), not (height, width, channels)."),
        (b'{"instances": [[[[1, 2, 3], [1, 2]]]]}', "The image has rows of different lengths"),
        (b'{"instances": [[[["a", "b", "c"]]]]}', "The image has values of type str, not numbers in 0 to 255."),
        (b'{"instances": [[[[true, true, true]]]]}', "The image has values of type bool, not numbers in 0 to 255."),
        (b'{"instances": [[[[1, 2, -3]]]]}', "The image has values from -3 to 2, not in 0 to 255."),
        (b'{"instances": [[[[1, 2, 256]]]]}', "The image has values from 1 to 256, not in 0 to 255."),
        (b'{"instances": [[[[1, 2, 1e999]]]]}', "The image has values from 1 to inf, not in 0 to 255."),
        (
            b'{"instances": [[[[1, 2, 1' + b"0" * 60 + b"]]]]}",
            "The image has rows of different lengths, or ",
        ),
        (b'{"instances": [[[[0.5, 0.1, 0.1]]]]}', "The image has values up to 0.5; multiply it by 255"),
        (b'{"signature_name": "serve", "instances": [1]}', "Unknown signature_name 'serve'; did you mean"),
        (b'{"signature_name": [1], "instances": [1]}', "Unknown signature_name [1]; available: "),
    ],
)
def test_bad_requests_get_a_sentence(client, body, sentence):
    answer = client.post(PREDICT, content=body)
    assert answer.status_code == 400
    assert answer.json().keys() == {"error"}
    assert answer.json()["error"].startswith(sentence)


def test_an_image_of_another_size_than_the_models_is_cropped(client):
    image = colored((200, 0, 0), 8, 16)
    for instance in (image.tolist(), b64(encode(image))):
        [row] = client.post("/v1/models/center:predict", json={"instances": [instance]}).json()["predictions"]
        np.testing.assert_allclose(row["probabilities"], probabilities(image[:, 4:12]), atol=1e-6)


def test_a_model_of_any_size_sees_arrays_whole_and_the_view_of_photos(start, tmp_path):
    artifact = open_artifact(write_net(tmp_path / "any.onnx", view=View((8, 8))))
    image = colored((200, 0, 0), 8, 16)
    instances = {"instances": [image.tolist(), b64(encode(image))]}
    rows = start({"any": artifact}).post("/v1/models/any:predict", json=instances).json()["predictions"]
    expected = [probabilities(image), probabilities(image[:, 4:12])]
    np.testing.assert_allclose([row["probabilities"] for row in rows], expected, atol=1e-6)


def test_a_model_with_one_free_side_refuses_what_does_not_fit(start, tmp_path):
    artifact = open_artifact(write_net(tmp_path / "wide.onnx", (8, None)))
    client, image = start({"wide": artifact}), colored((200, 0, 0), 9, 16)
    answers = [client.post("/predict", content=encode(image))]
    answers.append(client.post("/v1/models/wide:predict", json={"instances": [image.tolist()]}))
    for answer in answers:
        assert (answer.status_code, answer.json()["error"]) == (
            400,
            "The image has 16 x 9 pixels, but the model takes any x 8.",
        )
    assert client.post("/predict", content=encode(image[:8])).status_code == 200


def test_a_model_of_other_channels_than_files_have_takes_numbers(start, tmp_path):
    client = start({"deep": open_artifact(write_net(tmp_path / "deep.onnx", classes=(*CLASSES, "depth")))})
    answer = client.post("/v1/models/deep:predict", json={"instances": [b64(encode(colored((1, 2, 3))))]})
    assert (answer.status_code, answer.json()["error"]) == (
        400,
        "The image is a file, but deep takes images of 4 channels; send numbers.",
    )
    image = np.random.default_rng(0).integers(0, 256, (6, 5, 4))
    [row] = client.post("/v1/models/deep:predict", json={"instances": [image.tolist()]}).json()["predictions"]
    np.testing.assert_allclose(row["probabilities"], probabilities(image), atol=1e-6)


def test_the_first_bad_image_is_named(client, images):
    instances = [b64(encode(images[0])), b64(b"GIF89a broken"), b64(b"")]
    answer = client.post(PREDICT, json={"instances": instances})
    assert (answer.status_code, answer.json()["error"][:8]) == (400, "Image 1 ")


def test_unknown_models_versions_and_methods_get_a_sentence(client):
    answer = client.post("/v1/models/colors2:predict", json={})
    assert (answer.status_code, answer.json()["error"]) == (404, "Unknown model 'colors2'; did you mean 'colors'?")
    answer = client.get("/v1/models/colors/versions/2")
    assert (answer.status_code, answer.json()["error"]) == (404, "Model colors has the version 1, not '2'.")
    answer = client.get("/v1/models/colors/versions/1/metadata")
    assert answer.status_code == 200
    answer = client.put("/v1/models/colors")
    assert (answer.status_code, answer.json()["error"].split(";")[0]) == (
        405,
        "PUT does not work for /v1/models/colors",
    )
