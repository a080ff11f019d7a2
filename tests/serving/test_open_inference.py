"""The Open Inference Protocol, field by field."""

import base64
import json

import numpy as np
import pytest

import keras_resnet
from tests.photos import encode
from tests.serving.nets import CLASSES, probabilities

INFER = "/v2/models/colors/infer"


def tensor(data, shape, datatype="FP32", name="images") -> dict:
    return {"name": name, "shape": list(shape), "datatype": datatype, "data": data}


def test_server_and_health_are_those_of_the_protocol(client):
    expected = {"name": "keras-resnet", "version": keras_resnet.__version__, "extensions": []}
    assert client.get("/v2").json() == expected
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get("/v2/models/colors/ready").json() == {"name": "colors", "ready": True}


@pytest.mark.parametrize(("name", "sides"), [("colors", [-1, -1]), ("center", [8, 8])])
@pytest.mark.parametrize("version", ["", "/versions/1"])
def test_metadata_describe_the_tensors(client, name, sides, version):
    assert client.get(f"/v2/models/{name}{version}").json() == {
        "name": name,
        "versions": ["1"],
        "platform": "onnx_float32",
        "inputs": [{"name": "images", "datatype": "FP32", "shape": [-1, *sides, 3]}],
        "outputs": [
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]},
            {"name": "classes", "datatype": "BYTES", "shape": [-1, 3]},
        ],
    }


@pytest.mark.parametrize("datatype", ["FP32", "UINT8"])
@pytest.mark.parametrize("flat", [False, True])
def test_tensors_are_answered(client, images, datatype, flat):
    batch = np.stack(images)
    data = batch.ravel().tolist() if flat else batch.tolist()
    request = {"id": "42", "inputs": [tensor(data, batch.shape, datatype)]}
    answer = client.post(INFER, json=request).json()
    first, second = answer.pop("outputs")
    assert answer == {"model_name": "colors", "model_version": "1", "id": "42"}
    expected = np.stack([probabilities(image) for image in images])
    np.testing.assert_allclose(np.reshape(first.pop("data"), (3, 3)), expected, atol=1e-6)
    assert first == {"name": "probabilities", "datatype": "FP32", "shape": [3, 3]}
    best = [CLASSES[index] for index in np.argsort(-expected, axis=1).ravel()]
    assert second == {"name": "classes", "datatype": "BYTES", "shape": [3, 3], "data": best}


def test_encoded_images_are_answered(client, images):
    texts = [base64.b64encode(encode(image)).decode() for image in images]
    for shape, data in (([3], texts), ([3, 1], [[text] for text in texts])):
        request = {"inputs": [tensor(data, shape, "BYTES")], "outputs": [{"name": "classes"}]}
        [output] = client.post(INFER, json=request).json()["outputs"]
        assert output["data"][::3] == [CLASSES[probabilities(image).argmax()] for image in images]


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        (None, '"inputs" must be a list of one tensor, "images".'),
        ([], '"inputs" must be a list of one tensor, "images".'),
        ([1], '"inputs" must be a list of one tensor, "images".'),
        ([{}], 'The input "images" is the only one, not None.'),
        ([tensor([1, 2, 3], [1, 1, 1, 3], name="x")], "The input \"images\" is the only one, not 'x'."),
        ([tensor([1, 2, 3], [])], 'The input "images" needs a "shape" of positive integers, not [].'),
        ([tensor([1, 2, 3], [1, 1, -1, 3])], 'The input "images" needs a "shape" of positive integers'),
        ([tensor([1, 2, 3], [True, 1, 1, 3])], 'The input "images" needs a "shape" of positive integers'),
        ([tensor("x", [1, 1, 1, 3])], 'The input "images" needs "data", a list, not \'x\'.'),
        ([tensor([1, 2, 3], [1, 1, 1, 3], "INT64")], "The input \"images\" has the datatype 'INT64'; this model takes"),
        ([tensor([1, 2, 3], [1, 1, 2, 3])], 'The input "images" has the shape [1, 1, 2, 3], but 3 values.'),
        ([tensor([1, 2, 3], [3])], 'The input "images" has the shape [3], but 3 values.'),
        (
            [tensor([[[[1]], [[2]], [[3]]]], [1, 1, 1, 3])],
            'The input "images" has the shape [1, 1, 1, 3], but data nested',
        ),
        ([tensor([1.5, 2, 3], [1, 1, 1, 3], "UINT8")], 'The input "images" has the datatype UINT8, but values'),
        ([tensor([1, [2, 3]], [1, 1, 1, 3])], 'The input "images" has rows of different lengths'),
        ([tensor(["a"], [2], "BYTES")], 'The input "images" has the shape [2], but 1 values.'),
        ([tensor([], [9] * 1000, "BYTES")], 'The input "images" has the shape ['),
        ([tensor(["?"], [1], "BYTES")], 'The input "images" is not valid base64 ('),
        ([tensor([1, 2, 300], [1, 1, 1, 3])], "The image has values from 1 to 300, not in 0 to 255."),
    ],
)
def test_bad_tensors_get_a_sentence(client, inputs, sentence):
    answer = client.post(INFER, json={} if inputs is None else {"inputs": inputs})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(sentence)


@pytest.mark.parametrize("identifier", ["1e400", r'"\ud800"', "[1]", "7", "null"])
def test_identifiers_that_cannot_be_repeated_are_refused(client, identifier):
    request = json.dumps({"inputs": [tensor([0] * 3, (1, 1, 1, 3))]})[:-1] + f', "id": {identifier}}}'
    answer = client.post(INFER, content=request)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith('"id" must be printable text, not ')


def test_unknown_outputs_and_binary_tensors_are_refused(client):
    request = {"inputs": [tensor([1, 2, 3], [1, 1, 1, 3])], "outputs": [{"name": "logits"}]}
    answer = client.post(INFER, json=request)
    assert (answer.status_code, answer.json()["error"][:23]) == (400, "Unknown output 'logits'")
    answer = client.post(INFER, content=b"{}", headers={"Inference-Header-Content-Length": "2"})
    assert answer.status_code == 415


@pytest.mark.parametrize("outputs", ["classes", {"name": "classes"}, ["classes"]])
def test_outputs_of_another_form_are_refused(client, outputs):
    request = {"inputs": [tensor([0] * 3, (1, 1, 1, 3))], "outputs": outputs}
    answer = client.post(INFER, json=request)
    assert (answer.status_code, answer.json()["error"]) == (
        400,
        '"outputs" must be a list of objects with a "name".',
    )


def test_an_output_is_named_once(client):
    request = {"inputs": [tensor([0] * 3, (1, 1, 1, 3))], "outputs": 2 * [{"name": "probabilities"}]}
    answer = client.post(INFER, json=request)
    assert (answer.status_code, answer.json()["error"]) == (400, '"outputs" must name each output once.')
