"""The pipeline of `predict`: order, errors, threads, progress, and its end."""

import dataclasses
import io
import itertools
import threading

import numpy as np
import pytest

import keras_resnet
from keras_resnet.runtimes import RUNTIMES, Artifact, classify, open_artifact
from keras_resnet.runtimes.prediction import BATCH_SIZE
from tests.photos import encode, scene
from tests.runtimes.exported import METADATA


def decoding_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """PNGs of different scenes; every seventh file is damaged."""
    folder = tmp_path_factory.mktemp("photos")
    for index in range(3 * BATCH_SIZE + 5):
        content = encode(scene(30 + index, 40, seed=index))
        (folder / f"{index:02d}.png").write_bytes(content[:90] if index % 7 == 3 else content)
    return sorted(folder.glob("*"))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_image_has_its_own_prediction(runtime, artifacts, photos):
    found = keras_resnet.predict(artifacts[runtime], photos, top=4, runtime=runtime, on_error="return")
    assert [prediction.image for prediction in found] == photos
    artifact = open_artifact(artifacts["keras"])
    for index, (photo, prediction) in enumerate(zip(photos, found, strict=True)):
        if index % 7 == 3:
            assert prediction == []
            assert f"{photo} is damaged" in str(prediction.error)
        else:
            [alone] = classify(artifact, photo, top=4)
            assert dict(prediction) == pytest.approx(dict(alone), rel=1e-3)
            assert set(dict(prediction)) == {"ant", "bee", "cat", "dog"}


def test_runtime_is_chosen_from_the_artifact(artifacts, photos):
    for runtime in RUNTIMES:
        [one] = keras_resnet.predict(artifacts[runtime], photos[0])
        [other] = keras_resnet.predict(open_artifact(artifacts[runtime]), photos[0], runtime=runtime)
        assert one == other


def test_runtime_that_does_not_fit_is_refused(artifacts, net, photos):
    for model, runtime, message in (
        (net, "onnx", "runtime='onnx' needs the path of a model that was exported for it"),
        (open_artifact(artifacts["onnx"]), "openvino", "runtime='openvino' needs the path"),
        (artifacts["onnx"], "openvino", r"net\.onnx is not an exported model \(\.xml for OpenVINO\)"),
        (artifacts["onnx"], "tensorrt", "Unknown runtime 'tensorrt'"),
    ):
        with pytest.raises(ValueError, match=message):
            keras_resnet.predict(model, photos[0], runtime=runtime)


def test_no_thread_is_left_however_it_ends(artifacts, photos):
    artifact = open_artifact(artifacts["onnx"])

    def interrupted():
        yield from photos[:3]
        yield from photos[4:10]
        raise KeyboardInterrupt

    assert len(list(classify(artifact, photos, on_error="skip"))) == len(photos) - 8
    assert decoding_threads() == []
    with pytest.raises(KeyboardInterrupt):
        list(classify(artifact, interrupted()))
    assert decoding_threads() == []
    with pytest.raises(ValueError, match="is damaged"):
        list(classify(artifact, photos))
    assert decoding_threads() == []
    predictions = classify(artifact, photos)
    next(predictions)
    predictions.close()
    assert decoding_threads() == []


def test_images_are_taken_from_an_endless_stream_as_needed(artifacts):
    taken = 0

    def stream():
        nonlocal taken
        for taken in itertools.count(1):
            yield np.full((16, 20, 3), taken % 256, "uint8")

    predictions = classify(open_artifact(artifacts["onnx"]), stream())
    for _ in range(5 * BATCH_SIZE):
        next(predictions)
    predictions.close()
    assert taken <= 6 * BATCH_SIZE + 1


class Recording(Artifact):
    """A model whose classes are equally probable; it records the sizes of its batches."""

    runtime = "recording"

    def __init__(self, *args):
        super().__init__(*args)
        self.sizes = []

    def _scores(self, images):
        self.sizes.append(len(images))
        return np.full((len(images), 4), 0.25)


def test_one_image_is_a_batch_of_one_and_many_are_full_batches():
    artifact = Recording("recording", METADATA, (None, 16, 20, 3), (None, 4))
    image = np.zeros((16, 20, 3), "uint8")
    list(classify(artifact, image))
    list(classify(artifact, [image] * (2 * BATCH_SIZE + 3)))
    assert artifact.sizes == [1, BATCH_SIZE, BATCH_SIZE, 3]


def test_progress_is_shown_for_several_batches_alone(artifacts):
    artifact, image = open_artifact(artifacts["onnx"]), np.zeros((16, 20, 3), "uint8")
    for count, shown in ((1, False), (BATCH_SIZE, False), (40, True)):
        stream = io.StringIO()
        list(classify(artifact, [image] * count, bar_on=stream))
        assert (f"{count}/{count} images" in stream.getvalue()) == shown
        assert stream.getvalue().endswith("images/s\n") == shown


def test_a_file_does_not_fit_a_model_of_other_channels(photos):
    artifact = Recording("deep", dataclasses.replace(METADATA, image_shape=(16, 20, 4)), (None, 16, 20, 4), (None, 4))
    with pytest.raises(ValueError, match=r"00\.png has red, green and blue, but the model takes 4 channels\.$"):
        list(classify(artifact, photos[0]))
    assert len(list(classify(artifact, np.zeros((16, 20, 4), "uint8")))) == 1
