"""Weight files: real ones classify exactly as they should; bad ones change nothing and say what they are."""

import dataclasses
import hashlib
import json
import os
import struct
import warnings
import zipfile

import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

from keras_resnet import ResNet, create_model, evaluate, freeze, load_data, load_weights
from keras_resnet.preprocessing import imagenet_classes
from keras_resnet.view import View
from keras_resnet.weights.conversion import NAMINGS
from keras_resnet.weights.pretrained import PretrainedWeights
from tests.golden.draw import draw
from tests.marks import exhaustive
from tests.weights.torch_writer import write_zip


@pytest.fixture(scope="module")
def cifar10(local_data):
    return load_data("cifar10", data_dir=local_data / "tfds")


def write_safetensors(path, tensors):
    save_file(tensors, path)
    return path


def peers_tensors(model, naming):
    """Drawn tensors under the names and in the layout of a PyTorch peer."""
    tensors = {}
    for layer in model.layers:
        for variable in layer.weights:
            name = naming.tensor(layer.name, variable.name)
            shape = tuple(variable.shape)
            shape = (shape[3], shape[2], *shape[:2]) if len(shape) == 4 else shape[::-1]
            tensors[name] = draw(name, shape)
    return tensors


@pytest.fixture
def model():
    keras.utils.set_random_seed(1)
    return create_model("resnet20_cifar")


@pytest.fixture
def akamaster(model, tmp_path):
    return write_safetensors(tmp_path / "net.safetensors", peers_tensors(model, NAMINGS["akamaster"]))


def unchanged(model, before):
    return all(np.array_equal(one, other) for one, other in zip(model.get_weights(), before, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "file", "right"),
    [
        exhaustive("resnet20_cifar", "akamaster_cifar10/resnet20.safetensors", 9173),
        exhaustive("resnet20_cifar", "akamaster_cifar10/resnet20-12fca82f.th", 9173),
        exhaustive("resnet32_cifar", "akamaster_cifar10/resnet32.safetensors", 9263),
        ("resnet8", "mlperf_tiny/pretrainedResnet.h5", 8719),
    ],
)
def test_published_nets_classify_exactly_as_many_images_right(name, file, right, cifar10, local_data):
    model = create_model(name, weights=local_data / "weights" / file)
    assert abs(evaluate(model, cifar10).top1_correct - right) <= 2


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_own_files_give_the_same_outputs(suffix, model, tmp_path):
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3))
    path = tmp_path / f"net{suffix}"
    (model.save if suffix == ".keras" else model.save_weights)(path)
    other = create_model("resnet20_cifar", weights=path)
    np.testing.assert_array_equal(other(images), model(images))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet20_cifar", {"mean": 100.0, "std": 50.0}),
        ("resnet20_cifar", {"mean": np.arange(32 * 32 * 3.0).reshape(32, 32, 3) / 20, "std": 1.0}),
        ("resnetv2_50x1_bit", {"depths": (1, 1, 1, 1)}),
        ("ecaresnet50d", {"depths": (1, 1, 1, 1)}),
        ("seresnet50", {"depths": (1, 1, 1, 1)}),
    ],
)
def test_own_keras_files_bring_the_normalization_and_the_weights_of_all_layers(name, options, tmp_path):
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3))
    model = create_model(name, input_shape=(32, 32, 3), classes=10, **options)
    model.save(tmp_path / "net.keras")
    depths = {key: value for key, value in options.items() if key == "depths"}
    other = create_model(name, input_shape=(32, 32, 3), classes=10, weights=tmp_path / "net.keras", **depths)
    np.testing.assert_allclose(other(images), model(images), rtol=1e-5, atol=1e-7)


def with_config(path, **values):
    """A copy of a `.keras` file whose model has other values in its configuration."""
    changed = path.with_name("changed.keras")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                config["config"].update(values)
                content = json.dumps(config)
            new.writestr(name, content)
    return changed


def test_keras_file_brings_view_and_class_names(model, tmp_path):
    model.view, model.class_names = View((32, 32), 0.5, "bicubic"), [f"class {number}" for number in range(10)]
    model.save(tmp_path / "net.keras")
    other = create_model("resnet20_cifar", weights=tmp_path / "net.keras")
    assert (other.view, other.class_names) == (model.view, model.class_names)
    features = create_model("resnet20_cifar", include_top=False, weights=tmp_path / "net.keras")
    assert (features.view, features.class_names) == (model.view, None)


@pytest.mark.parametrize(
    "values",
    [
        *(dict(view=view) for view in (3, [1], {"size": [0, 0]}, {"size": [32, 32], "x": 1}, {"crop_fraction": 1.0})),
        *(dict(class_names=names) for names in (3, [1, 2], [None] * 10)),
    ],
)
def test_invalid_view_or_class_names_change_nothing(values, model, tmp_path):
    model.save(tmp_path / "net.keras")
    other = create_model("resnet20_cifar")
    before = other.get_weights()
    with pytest.raises(ValueError, match=r"changed.keras has an invalid view or class_names \(.*\)\.$") as caught:
        load_weights(other, with_config(tmp_path / "net.keras", **values))
    assert "\n" not in str(caught.value)
    assert unchanged(other, before)


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_another_number_of_classes_keeps_the_new_classifier(suffix, model, tmp_path):
    path = tmp_path / f"net{suffix}"
    (model.save if suffix == ".keras" else model.save_weights)(path)
    other = create_model("resnet20_cifar", classes=7)
    before = other.get_layer("logits").get_weights()
    with pytest.warns(UserWarning, match="another number of classes; loaded all layers of .* but 'logits'"):
        load_weights(other, path)
    np.testing.assert_array_equal(other.get_layer("logits").get_weights()[0], before[0])
    np.testing.assert_array_equal(other.get_layer("stem_conv").kernel, model.get_layer("stem_conv").kernel)


def test_model_without_top_takes_the_rest(akamaster):
    features = create_model("resnet20_cifar", include_top=False, weights=akamaster)
    kernel = draw("conv1.weight", (16, 3, 3, 3)).transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(features.get_layer("stem_conv").kernel, kernel)


def test_torch_file_is_read_as_the_safetensors(model, tmp_path, akamaster):
    tensors = peers_tensors(model, NAMINGS["akamaster"])
    named = {f"module.{name}": value for name, value in tensors.items()}
    write_zip(tmp_path / "net.pth", {"state_dict": named, "best_prec1": 91.7})
    one = create_model("resnet20_cifar", weights=akamaster).get_weights()
    other = create_model("resnet20_cifar", weights=tmp_path / "net.pth").get_weights()
    assert all(np.array_equal(x, y) for x, y in zip(one, other, strict=True))


def test_averaged_weights_of_a_checkpoint_come_first(model, tmp_path, akamaster):
    tensors = peers_tensors(model, NAMINGS["akamaster"])
    last = {name: values + 1 for name, values in tensors.items()}
    averaged = {"n_averaged": np.array([7]), **{f"module.{name}": values for name, values in tensors.items()}}
    write_zip(tmp_path / "net.pth", {"model": last, "model_ema": averaged})
    one = create_model("resnet20_cifar", weights=akamaster).get_weights()
    other = create_model("resnet20_cifar", weights=tmp_path / "net.pth").get_weights()
    assert all(np.array_equal(x, y) for x, y in zip(one, other, strict=True))


def small_bottlenecks(**options):
    return ResNet("bottleneck", (1, 1, 2), widths=(4, 8, 8), input_shape=(32, 32, 3), classes=3, **options)


def test_strides_of_a_keras_file_are_those_of_the_model(tmp_path):
    trained = small_bottlenecks(stride_in="1x1")
    trained.save(tmp_path / "net.keras")
    other = small_bottlenecks()
    before = other.get_weights()
    with pytest.raises(ValueError, match=r"its stage2_block1_conv2 has strides=\[1, 1\], not \[2, 2\]; build"):
        load_weights(other, tmp_path / "net.keras")
    assert unchanged(other, before)
    dilated = load_weights(small_bottlenecks(stride_in="1x1", output_stride=8), tmp_path / "net.keras")
    assert unchanged(dilated, trained.get_weights())


def damaged_files(tmp_path, akamaster, model):
    """(file, what the error says) for each kind of file that must not be loaded."""
    whole = akamaster.read_bytes()
    model.save(tmp_path / "whole.keras")
    tensors = peers_tensors(model, NAMINGS["akamaster"])
    nan = {**tensors, "conv1.weight": np.full_like(tensors["conv1.weight"], np.nan)}
    missing = {name: value for name, value in tensors.items() if not name.startswith("layer3.2")}
    extra = {**tensors, "layer3.3.conv1.weight": np.zeros(3, "float32")}
    mismatched = {**tensors, "conv1.weight": np.zeros((16, 3, 5, 5), "float32")}
    for name, content, message in (
        ("empty.safetensors", b"", "is empty"),
        ("cut.safetensors", whole[: len(whole) // 2], "is not a valid .safetensors file"),
        ("header.safetensors", struct.pack("<Q", 1 << 60) + b"{}", "is not a valid .safetensors file"),
        ("page.h5", b'<?xml version="1.0"?><Error/>', r"it starts with .*<\?xml"),
        ("page.keras", b"<!doctype html>", "it starts with .*<!doctype"),
        ("cut.keras", (tmp_path / "whole.keras").read_bytes()[:5000], "is not a valid .keras file"),
        ("noise.h5", bytes(range(256)) * 9, "is not a valid .h5 file"),
        ("noise.weights.h5", bytes(range(256)) * 9, "noise.weights.h5 is not a valid"),
        ("photo.png", b"\x89PNG", "does not have the suffix of a weight file"),
    ):
        (tmp_path / name).write_bytes(content)
        yield tmp_path / name, message
    yield write_safetensors(tmp_path / "nan.safetensors", nan), "contains NaN or infinity, for example in conv1.weight"
    yield write_safetensors(tmp_path / "missing.safetensors", missing), r"10 missing \(layer3.2.conv1.weight"
    yield write_safetensors(tmp_path / "extra.safetensors", extra), r"1 unexpected \(layer3.3.conv1.weight"
    yield write_safetensors(tmp_path / "mismatched.safetensors", mismatched), r"1 mismatched \(stem_conv/kernel"


def test_bad_files_change_nothing_and_say_what_they_are(akamaster, model, tmp_path):
    before = model.get_weights()
    for path, message in damaged_files(tmp_path, akamaster, model):
        with pytest.raises(ValueError, match=message) as caught:
            load_weights(model, path)
        assert path.name in str(caught.value)
        assert "\n" not in str(caught.value)
        assert unchanged(model, before), path
    with pytest.raises(FileNotFoundError, match=r"nowhere\.safetensors"):
        load_weights(model, tmp_path / "nowhere.safetensors")


def test_damaged_published_file(local_data, model):
    before = model.get_weights()
    with pytest.raises(ValueError, match="a web page, perhaps an error page"):
        load_weights(model, local_data / "weights" / "damaged" / "resnet50_weights_IS_XML_ERROR_PAGE.h5")
    assert unchanged(model, before)


@pytest.mark.parametrize("source", [3, None, [], 0.5, b"net.h5"])
def test_weights_of_a_wrong_type(source, model):
    with pytest.raises(TypeError, match="Weights are a file's path, or the name of published weights, not"):
        load_weights(model, source)
    with pytest.raises(TypeError, match="load_weights takes a Keras model, not str"):
        load_weights("resnet50", "imagenet")


def test_paths_that_are_no_weight_files(model, tmp_path):
    before = model.get_weights()
    os.mkfifo(tmp_path / "pipe.h5")
    (tmp_path / "folder.keras").mkdir()
    (tmp_path / "net").write_bytes(b"no suffix")
    for source, error, message in (
        ("", ValueError, "must be a file's path"),
        (tmp_path, ValueError, "is a folder, not a weight file"),
        (str(tmp_path), ValueError, "is a folder, not a weight file"),
        (tmp_path / "folder.keras", ValueError, "is a folder, not a weight file"),
        (tmp_path / "pipe.h5", ValueError, "is a device or pipe, not a weight file"),
        (str(tmp_path / "net"), ValueError, "does not have the suffix of a weight file"),
        ("./nowhere", FileNotFoundError, "nowhere does not exist"),
    ):
        with pytest.raises(error, match=message) as caught:
            load_weights(model, source)
        assert "\n" not in str(caught.value)
    assert unchanged(model, before)


def test_folders_beside_names_of_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "cifar10").mkdir()
    with pytest.raises(ValueError, match=r"run is a folder, not a weight file; name a file, such as best\.keras"):
        create_model("resnet20_cifar", weights="run")
    assert create_model("resnet20_cifar", weights="cifar10").weights_source == "keras_resnet/resnet20_cifar.cifar10"


@pytest.mark.exhaustive
def test_keras_applications_file_with_epsilon_and_biases(tmp_path):
    """Saved by keras.applications itself, in both of its formats: the same probabilities."""
    keras.utils.set_random_seed(0)
    peer = keras.applications.ResNet50(weights=None, input_shape=(64, 64, 3), classes=10)
    for index, variable in enumerate(peer.variables):
        name = variable.path
        variable.assign(draw(name.rpartition("/")[0] + f"/{index}/" + variable.name, tuple(variable.shape)))
    image = np.random.default_rng(0).uniform(-100, 100, (2, 64, 64, 3)).astype("float32")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras calls HDF5 legacy
        peer.save(tmp_path / "peer.h5")
    peer.save(tmp_path / "peer.keras")
    for file in ("peer.h5", "peer.keras"):
        ours = create_model(
            "resnet50_v1",
            weights=tmp_path / file,
            input_shape=(64, 64, 3),
            classes=10,
            include_preprocessing=False,
        )
        np.testing.assert_allclose(ours(image), peer(image), rtol=1e-3, atol=1e-6)


# ---------------------------------------------------------------------------------------------
# Published weights


@pytest.fixture
def published(akamaster, tmp_path, monkeypatch):
    """A row of published weights whose file lies where it would be put by hand."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    folder = tmp_path / "home" / "models" / "keras_resnet"
    folder.mkdir(parents=True)
    (folder / "published.safetensors").write_bytes(akamaster.read_bytes())
    return PretrainedWeights(
        id="somewhere/resnet20_cifar",
        variant="resnet20_cifar",
        naming="akamaster",
        file="published.safetensors",
        url="http://127.0.0.1:9/published.safetensors",
        checksum=f"sha256:{hashlib.sha256(akamaster.read_bytes()).hexdigest()}",
        input_size=32,
        crop_fraction=1.0,
        interpolation="bilinear",
        mean=(10, 20, 30),
        std=(1, 2, 4),
        channel_order="bgr",
    )


def test_published_weights_set_the_normalization_and_the_order_of_channels(published, akamaster, model):
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    model.predict(images, verbose=0)  # a compiled function must not keep the old normalization
    load_weights(model, published)
    plain = create_model("resnet20_cifar", weights=akamaster, include_preprocessing=False)
    expected = plain(((images - (10, 20, 30)) / (1, 2, 4))[..., ::-1])
    np.testing.assert_allclose(model(images), expected, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(model.predict(images, verbose=0), expected, rtol=1e-3, atol=1e-6)


def test_published_weights_set_the_view_and_the_class_names(published, akamaster):
    imagenet = dataclasses.replace(published, crop_fraction=0.875, interpolation="bicubic", channel_order="rgb")
    model = create_model("resnet20_cifar", weights=akamaster)
    assert (model.view, model.class_names) == (None, None)  # a file does not say
    names = tuple(name for _, name in imagenet_classes())
    with pytest.warns(UserWarning, match="another number of classes"):
        other = load_weights(create_model("resnet20_cifar", classes=7), imagenet)
    assert (other.view, other.class_names) == (View((32, 32), 0.875, "bicubic"), None)
    features = load_weights(create_model("resnet20_cifar", include_top=False, input_shape=(48, 40, 3)), imagenet)
    assert (features.view, features.class_names) == (View((48, 40), 0.875, "bicubic"), None)
    any_size = load_weights(create_model("resnet20_cifar", include_top=False), imagenet)
    assert any_size.view == imagenet.view
    assert names[281] == "tabby"


def test_a_row_builds_the_network_that_its_name_builds(published):
    row = dataclasses.replace(
        published, input_size=40, classes=10, class_names="cifar10", options={"classifier_activation": None}
    )
    model = create_model("resnet20_cifar", weights=row)
    assert (model.input_shape, model.layers[-1].name) == ((None, None, None, 3), "logits")
    assert model.class_names[0] == "airplane"
    with pytest.raises(ValueError, match=r"'somewhere/resnet20_cifar' are for 'resnet20_cifar', not 'resnet32_cifar'"):
        create_model("resnet32_cifar", weights=row)


def test_published_weights_of_larger_class_lists_bring_their_names(published, tmp_path):
    model = create_model("resnet20_cifar", classes=11821)
    file = write_safetensors(tmp_path / "large.safetensors", peers_tensors(model, NAMINGS["akamaster"]))
    (tmp_path / "home" / "models" / "keras_resnet" / "large.safetensors").write_bytes(file.read_bytes())
    row = dataclasses.replace(
        published,
        url="http://127.0.0.1:9/large.safetensors",
        checksum=f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}",
        classes=11821,
        class_names="imagenet-12k",
    )
    names = load_weights(model, row).class_names
    assert (len(names), names[0]) == (11821, "benthos")  # n00005787, the first of timm's list


def test_licence_that_forbids_commercial_use_is_said_once(published):
    for id_, licence, said in (
        (
            "a/non-commercial",
            "cc-by-nc-4.0",
            ["The licence of a/non-commercial, cc-by-nc-4.0, forbids commercial use."],
        ),
        ("a/non-commercial", "cc-by-nc-4.0", []),
        (
            "b/share-alike",
            "cc-by-nc-sa-4.0",
            ["The licence of b/share-alike, cc-by-nc-sa-4.0, forbids commercial use."],
        ),
        ("a/free", "apache-2.0", []),
        ("a/free", "cc-by-4.0", []),
        ("a/not-stated", None, []),
    ):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            load_weights(create_model("resnet20_cifar"), dataclasses.replace(published, id=id_, licence=licence))
        assert [str(warning.message) for warning in caught] == said


def test_published_file_that_is_damaged_changes_nothing(published, model, tmp_path):
    file = tmp_path / "home" / "models" / "keras_resnet" / "published.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    before = model.get_weights()
    with pytest.raises(ValueError, match="is not the published file"):
        load_weights(model, published)
    assert unchanged(model, before)


def test_names_of_weights():
    with pytest.raises(ValueError, match="did you mean 'imagenet'"):
        create_model("resnet50", weights="imagenett")
    with pytest.raises(ValueError, match="are for 'resnet18', not 'resnet50'"):
        create_model("resnet50", weights="timm/resnet18.a1_in1k")
    with pytest.raises(ValueError, match="No weights of 'plainnet18' are published"):
        create_model("plainnet18", weights="imagenet")


def test_no_network_says_what_was_wanted_and_where_to_put_it(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_RESNET_MIRROR", "http://127.0.0.1:9")
    with pytest.raises(
        OSError, match=r"resnet18.IMAGENET1K_V1 could not be downloaded from http://127.0.0.1:9/.*by hand"
    ):
        create_model("resnet18", weights="torchvision/IMAGENET1K_V1")


# ---------------------------------------------------------------------------------------------
# Fine-tuning


def test_frozen_layers_keep_their_weights_and_statistics(model, shapes):
    images = np.repeat(np.repeat(shapes[0][0], 4, 1), 4, 2)
    freeze(model, through="stage2")
    model.compile("sgd", "sparse_categorical_crossentropy")
    before = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    model.fit(images, shapes[0][1], verbose=0)
    for layer in model.layers:
        if layer.weights:
            same = all(np.array_equal(x, y) for x, y in zip(layer.get_weights(), before[layer.name], strict=True))
            assert same == layer.name.startswith(("stem", "stage1", "stage2")), layer.name
    with pytest.raises(ValueError, match="no part 'stage4'; its parts are stem, stage1, stage2, stage3"):
        freeze(model, "stage4")
    with pytest.raises(ValueError, match=r"own has none of the parts .*; freeze .* its layer 'resnet20_cifar'"):
        freeze(keras.Sequential([model], name="own"), "stage1")
