"""The table of published weights, and the download against servers on this machine that misbehave as real ones do."""

import contextlib
import dataclasses
import hashlib
import inspect
import re
import sys
import threading
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_resnet
from keras_resnet.preprocessing import class_names, get_normalization
from keras_resnet.transforms.views import center_view
from keras_resnet.view import View
from keras_resnet.weights import cache, downloads, pretrained
from keras_resnet.weights.conversion import NAMINGS
from keras_resnet.weights.downloads import fetch_weights
from keras_resnet.weights.pretrained import find_weights, list_weights
from tests.models.test_golden import naming_of
from tests.weights import torch_writer
from tests.weights.servers import CONTENT, Handler, Hub, serve
from tests.weights.test_loading import peers_tensors, write_safetensors

FREE = {"apache-2.0", "mit", "bsd", "bsd-3-clause"}
PUBLISHED = {  # top-1 in percent, of torchvision's documentation
    "IMAGENET1K_V1": {"resnet18": 69.758, "resnet34": 73.314, "resnet50": 76.130, "resnet101": 77.374,
                      "resnet152": 78.312},
    "IMAGENET1K_V2": {"resnet50": 80.858, "resnet101": 81.886, "resnet152": 82.284},
}  # fmt: skip
ROWS = [find_weights(name.split("/")[1].split(".")[0], name) for name in list_weights()]


# ---------------------------------------------------------------------------------------------
# The table


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row_fits_the_package(row):
    assert row.variant in keras_resnet.VARIANTS
    assert set(row.options) <= set(inspect.signature(keras_resnet.ResNet).parameters)
    assert row.naming in NAMINGS
    assert 0.8 < row.crop_fraction <= 1
    assert row.input_size % 32 == 0
    assert row.interpolation in ("bilinear", "bicubic")
    assert len(class_names(row.class_names)) == row.classes
    assert row.packaged or min(row.mean) > 100  # in units of 0 to 255, not 0 to 1
    assert row.licence or row.note
    if row.packaged:
        assert row.id == f"keras_resnet/{row.file.removesuffix('.safetensors')}"
        assert (row.mean, row.std, row.top1, row.top5) == (None,) * 4
    elif row.hub:
        assert (row.id, row.url, row.checksum, row.file) == (row.hub, None, None, "model.safetensors")
    else:
        assert row.url.endswith(f"/{row.file}")
        assert re.fullmatch("sha256:[0-9a-f]{8}|md5:[0-9a-f]{32}", row.checksum)
        assert bool(row.url_notop) == bool(row.checksum_notop) == row.id.startswith("keras/")


@pytest.mark.parametrize("row", [row for row in ROWS if not row.packaged], ids=lambda row: row.id)
def test_naming_is_the_one_of_the_golden_outputs(row):
    source, rest = row.id.split("/")
    name = rest.split(".")[0]
    if source == "keras":
        version = "V2" if row.variant.startswith("resnetv2") else ""
        source, name = "keras.applications", f"ResNet{re.search('_?([0-9]+)', row.variant).group(1)}{version}"
    assert NAMINGS[row.naming] is naming_of({"source": source, "name": name})


def test_every_variant_with_rows_for_any_use_has_one_free_default():
    for variant, data_set in {(row.variant, row.data_set) for row in ROWS if row.licence in FREE}:
        (default,) = [row for row in ROWS if (row.variant, row.data_set, row.default) == (variant, data_set, True)]
        assert default.licence in FREE
        assert find_weights(variant, data_set) == default


def test_data_sets():
    assert {row.data_set for row in ROWS} == {"imagenet", "cifar10"}
    assert all((row.data_set == "cifar10") == row.packaged == (row.classes == 10) for row in ROWS)


def test_published_accuracies_and_preprocessing():
    for tag, accuracies in PUBLISHED.items():
        for variant, top1 in accuracies.items():
            row = find_weights(variant, f"torchvision/{tag}")
            assert row.top1 == top1
            assert round(row.input_size / row.crop_fraction) == (256 if tag.endswith("1") else 232)
    imagenet = (keras_resnet.preprocessing.IMAGENET_MEAN, keras_resnet.preprocessing.IMAGENET_STD)
    assert (row.mean, row.std, row.channel_order) == (*imagenet, "rgb")
    v1, v2 = find_weights("resnet50_v1", "keras"), find_weights("resnetv2_50", "keras")
    assert (v1.mean, v1.std, v1.channel_order) == ((123.68, 116.779, 103.939), (1, 1, 1), "bgr")
    assert (v2.mean, v2.std, v2.channel_order) == ((127.5,) * 3, (127.5,) * 3, "rgb")
    assert (v1.options, v2.options) == ({}, {"layout": "keras_v2"})
    assert (v1.top1, v2.top1) == (74.9, 76.0)
    timm = find_weights("resnet50", "imagenet")  # of timm's results/results-imagenet.csv, at 288 pixels
    assert (timm.top1, timm.top5, timm.view) == (81.214, 95.102, View((288, 288), 1.0, "bicubic"))
    unmeasured = {row.id for row in ROWS if row.top1 is None and row.classes == 1000}
    alone = {"timm/resnet34.tv_in1k", "timm/test_resnet.r160_in1k", "timm/seresnextaa201d_32x8d.sw_in12k_ft_in1k_384"}
    assert all("ra4_e3600" in name or name in alone for name in unmeasured)


def test_weights_that_all_restrict_their_use_must_be_named():
    with pytest.raises(
        ValueError, match=r"restrict their use; name one: timm/resnext101_32x32d\.fb_wsl_ig1b_ft_in1k\."
    ):
        find_weights("resnext101_32x32d", "imagenet")
    assert find_weights("resnext101_32x4d", "imagenet").id == "timm/resnext101_32x4d.gluon_in1k"


def test_filters_of_the_table():
    """Counted in the rows of pretrained.json themselves."""
    everything = {row.id: row for row in ROWS}
    for filters, holds in (
        (dict(licence="mit"), lambda row: row.licence == "mit"),
        (dict(commercial=True), lambda row: row.licence in FREE),
        (dict(commercial=False), lambda row: row.licence == "cc-by-nc-4.0"),
        (dict(image_size=288), lambda row: row.input_size == 288),
        (dict(min_top1=82), lambda row: row.top1 is not None and row.top1 >= 82),
        (dict(licence="apache-2.0", min_top1=84), lambda row: row.licence == "apache-2.0" and (row.top1 or 0) >= 84),
    ):
        chosen = [name for name, row in everything.items() if holds(row)]
        assert 0 < len(chosen) < len(everything)
        assert list_weights(**filters) == chosen
    assert list_weights("resnet50", image_size=224, commercial=False) == [
        name for name, row in everything.items() if row.variant == "resnet50" and row.licence == "cc-by-nc-4.0"
    ]
    assert "torchvision/resnet18.IMAGENET1K_V1" not in [*list_weights(commercial=True), *list_weights(commercial=False)]
    with pytest.raises(ValueError, match=r"Unknown licence 'apache'; did you mean 'apache-2\.0'"):
        list_weights(licence="apache")
    with pytest.raises(ValueError, match="min_top1=101 must be between 0 and 100"):
        list_weights(min_top1=101)


def test_a_row_builds_its_model():
    row = find_weights("resnetv2_50", "keras")
    model = keras_resnet.create_model(row.variant, classes=row.classes, mean=row.mean, std=row.std, **row.options)
    assert model.count_params() == 25_613_800  # of keras.applications' documentation: 25.6M


def test_names():
    assert find_weights("resnet50", "timm/resnet50.a1_in1k") == find_weights("resnet50", "timm/a1_in1k")
    assert find_weights("resnet50", "torchvision/IMAGENET1K_V2").id == "torchvision/resnet50.IMAGENET1K_V2"
    assert find_weights("resnet152_v1", "keras").id == "keras/resnet152_v1"
    assert list_weights("resnetrs4*") == ["timm/resnetrs420.tf_in1k"]
    assert find_weights("resnet20_cifar", "cifar10").id == "keras_resnet/resnet20_cifar.cifar10"
    assert find_weights("resnet20_cifar", "keras_resnet/cifar10") == find_weights("resnet20_cifar", "cifar10")
    assert list_weights("resnet200") == []
    assert not any("bamboo" in name or "untrained" in name for name in list_weights())


@pytest.mark.parametrize(
    ("variant", "name", "message"),
    [
        ("resnet51", "imagenet", "Unknown model 'resnet51'; did you mean 'resnet50"),
        ("resnet50", "timm/a9_in1k", "Unknown weights of 'resnet50': 'timm/a9_in1k'; .*'timm/resnet50.a"),
        ("resnet50", "torchvision/resnet50.IMAGENET1K", "did you mean 'torchvision/resnet50.IMAGENET1K_V1' or"),
        ("resnet50", "imagnet", "did you mean 'imagenet'"),
        ("resnet50", "timm/resnet50d.ra2_in1k", "'timm/resnet50d.ra2_in1k' are for 'resnet50d', not 'resnet50'; build"),
        ("resnet20_cifar", "imagenet", "No weights of 'resnet20_cifar' are trained on imagenet, only on cifar10"),
        ("resnet50", "cifar10", "No weights of 'resnet50' are trained on cifar10, only on imagenet"),
        ("resnet20_cifar", "cifar-10", "Unknown weights of 'resnet20_cifar': 'cifar-10'; did you mean 'cifar10'"),
        ("resnet44_cifar", "cifar10", "No weights of 'resnet44_cifar' are published"),
    ],
)
def test_wrong_names(variant, name, message):
    with pytest.raises(ValueError, match=message):
        find_weights(variant, name)


# ---------------------------------------------------------------------------------------------
# Servers


@pytest.fixture
def server(home):
    with serve(Handler) as running:
        yield running


def on(server, content=CONTENT, digits=8):
    """A row like torchvision's for that content on the server."""
    checksum = f"sha256:{hashlib.sha256(content).hexdigest()[:digits]}"
    row = find_weights("resnet18", "torchvision/IMAGENET1K_V1")
    return dataclasses.replace(row, file="net.pth", url=f"{server.url}/models/net.pth", checksum=checksum)


# ---------------------------------------------------------------------------------------------
# Files at a URL


def test_download_and_second_use(server, home):
    path = fetch_weights(on(server))
    assert path == home / "net.pth"
    assert path.read_bytes() == CONTENT
    assert fetch_weights(on(server)) == path
    assert server.requests == [("GET", "/models/net.pth", None)]
    assert not list(home.glob("*.part"))


def test_unchanged_file_is_not_hashed_again_but_a_changed_one_is(server, monkeypatch):
    path = fetch_weights(on(server))
    with monkeypatch.context() as patch:
        patch.setattr(downloads, "verify", None)
        fetch_weights(on(server))
    path.write_bytes(b"changed")
    with pytest.raises(
        ValueError, match=r"^net.pth is not the published file: sha256 \w{8} was expected, \w{64} found"
    ):
        fetch_weights(on(server))
    assert not path.exists()
    assert fetch_weights(on(server)).read_bytes() == CONTENT


def test_cut_connections_are_resumed(server):
    server.cuts = [1_500_000, 4_000_000]
    assert fetch_weights(on(server)).read_bytes() == CONTENT
    assert [range_ for _, _, range_ in server.requests] == [None, "bytes=1500000-", "bytes=4000000-"]


def test_what_a_failed_call_left_is_resumed(server, home):
    server.cuts = [2_000_000] * 2  # the second connection brings nothing
    with pytest.raises(OSError, match=r"connection broke after 2000000 of 5120000 bytes\); try again"):
        fetch_weights(on(server))
    assert not (home / "net.pth").exists()
    assert (home / "net.pth.part").read_bytes() == CONTENT[:2_000_000]
    assert fetch_weights(on(server)).read_bytes() == CONTENT
    assert server.requests[-1][2] == "bytes=2000000-"


def test_server_without_ranges(server):
    server.ranges, server.cuts = False, [1_500_000]
    assert fetch_weights(on(server)).read_bytes() == CONTENT
    assert [range_ for _, _, range_ in server.requests] == [None, "bytes=1500000-"]


def test_server_without_length(server):
    server.length = False
    assert fetch_weights(on(server)).read_bytes() == CONTENT
    server.cuts = [100]
    with pytest.raises(ValueError, match="The file of 100 bytes was deleted"):
        fetch_weights(dataclasses.replace(on(server), url=f"{server.url}/other.pth"))


@pytest.mark.parametrize("left", [b"another file's start", CONTENT + b"more"])
def test_part_of_another_file_is_not_taken(server, home, left):
    home.mkdir(parents=True)
    (home / "net.pth.part").write_bytes(left)
    assert fetch_weights(on(server)).read_bytes() == CONTENT
    assert server.requests[-1][2] is None


def test_complete_part_needs_no_download(server, home):
    home.mkdir(parents=True)
    (home / "net.pth.part").write_bytes(CONTENT)
    assert fetch_weights(on(server)).read_bytes() == CONTENT
    assert [range_ for _, _, range_ in server.requests] == ["bytes=5120000-"]


@pytest.mark.parametrize("digits", [8, 64])
def test_wrong_checksum(server, home, digits):
    expected = hashlib.sha256(b"another").hexdigest()[:digits]
    found = hashlib.sha256(CONTENT).hexdigest()
    with pytest.raises(ValueError, match=f"net.pth .* sha256 {expected} was expected, {found} found"):
        fetch_weights(on(server, b"another", digits))
    assert {path.name for path in home.iterdir()} == {"net.pth.lock"}


def test_page_with_status_200(server, home):
    server.content = b"<!DOCTYPE html><title>Sign in</title>"
    with pytest.raises(ValueError, match=r"found \(it looks like a web page\)\. The file of 37 bytes was deleted"):
        fetch_weights(on(server))
    assert {path.name for path in home.iterdir()} == {"net.pth.lock"}


@pytest.mark.parametrize("status", [403, 404, 503])
def test_error_status(server, home, status):
    server.status, server.content = status, b"no"
    url, path = re.escape(f"{server.url}/models/net.pth"), re.escape(str(home / "net.pth"))
    with pytest.raises(OSError, match=rf"from {url} \(HTTP {status}\); .* KERAS_RESNET_MIRROR .* at {path} by hand"):
        fetch_weights(on(server))
    assert {path.name for path in home.iterdir()} == {"net.pth.lock"}


def test_no_server_then_by_hand(home):
    with serve(Handler) as server:
        row = on(server)
    with pytest.raises(
        OSError, match=r"torchvision/resnet18\.IMAGENET1K_V1 could not .*Connection refused\); .* by hand"
    ):
        fetch_weights(row)
    (home / "net.pth").write_bytes(CONTENT)
    assert fetch_weights(row) == home / "net.pth"
    (home / "net.pth").write_bytes(b"not it")
    with pytest.raises(ValueError, match="is not the published file"):
        fetch_weights(row)


def test_mirror_and_no_url(server, home, monkeypatch):
    monkeypatch.setenv("KERAS_RESNET_MIRROR", f"{server.url}/mirror/")
    row = dataclasses.replace(on(server), url="https://unreachable.invalid/net.pth")
    assert fetch_weights(row).read_bytes() == CONTENT
    assert server.requests == [("GET", "/mirror/net.pth", None)]
    (home / "net.pth").unlink()
    monkeypatch.setenv("KERAS_RESNET_MIRROR", "mirror")
    with pytest.raises(OSError, match=r"from mirror/net.pth .*unknown url type"):
        fetch_weights(row)


def test_without_top(server, home):
    short = CONTENT[:1000]
    row = dataclasses.replace(
        on(server), url_notop=f"{server.url}/net_notop.pth", checksum_notop=f"md5:{hashlib.md5(short).hexdigest()}"
    )
    server.content = short
    assert fetch_weights(row, include_top=False) == home / "net_notop.pth"
    assert fetch_weights(row, include_top=False).read_bytes() == short


def test_two_threads_download_once(server):
    found = []
    threads = [threading.Thread(target=lambda: found.append(fetch_weights(on(server)))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert len(server.requests) == 1


def test_download_where_files_cannot_be_locked(server, home, monkeypatch):
    """As on Windows."""
    monkeypatch.setattr(cache, "fcntl", None)
    assert fetch_weights(on(server)).read_bytes() == CONTENT
    assert (home / "net.pth.verified").is_file()


def test_nothing_is_downloaded_without_a_checksum(server):
    message = r"torchvision/resnet18\.IMAGENET1K_V1 have neither a hub nor a URL with a checksum\.$"
    with pytest.raises(ValueError, match=message):
        fetch_weights(dataclasses.replace(on(server), checksum=None))
    assert server.requests == []


def test_folder_that_cannot_be_written(server, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    with pytest.raises(OSError, match=r"cannot be written .* set KERAS_HOME to a writable folder"):
        fetch_weights(on(server))


def test_progress_only_on_a_terminal(server, monkeypatch, capsys):
    path = fetch_weights(on(server))
    assert capsys.readouterr() == ("", "")
    path.unlink()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    fetch_weights(on(server))
    assert capsys.readouterr().err.endswith("\rnet.pth: 5 of 5 MB\n")


# ---------------------------------------------------------------------------------------------
# Files on the hub


ON_HUB = find_weights("resnet18", "imagenet")
HUB_PATH = "timm--resnet18.a1_in1k/model.safetensors"


def test_hub_download_and_second_use(hub, home):
    path = fetch_weights(ON_HUB)
    assert path == home / HUB_PATH
    assert path.read_bytes() == CONTENT
    assert ("HEAD", "/timm/resnet18.a1_in1k/resolve/main/model.safetensors", None) in hub.requests
    hub.requests.clear()
    assert fetch_weights(ON_HUB, include_top=False) == path
    assert hub.requests == []


def test_hub_wrong_checksum(hub, home):
    hub.etag = hashlib.sha256(b"another").hexdigest()
    with pytest.raises(ValueError, match=f"model.safetensors .* sha256 {hub.etag} was expected"):
        fetch_weights(ON_HUB)
    assert not (home / HUB_PATH).exists()
    hub.etag = hashlib.sha256(CONTENT).hexdigest()
    assert fetch_weights(ON_HUB).read_bytes() == CONTENT


def test_hub_cut_connection(hub):
    hub.cuts = [2_000_000]
    with contextlib.suppress(OSError):  # clients before 2.0 leave it to the next call
        fetch_weights(ON_HUB)
    assert fetch_weights(ON_HUB).read_bytes() == CONTENT


def test_hub_without_sha256(hub):
    hub.etag = "0" * 40
    with pytest.raises(OSError, match=r"/resolve/main/model.safetensors has the ETag '0000.*, not a SHA-256"):
        fetch_weights(ON_HUB)
    assert [method for method, _, _ in hub.requests] == ["HEAD"]


def test_hub_without_the_file(hub, home):
    hub.status = 404
    path = re.escape(str(home / HUB_PATH))
    with pytest.raises(
        OSError, match=f"timm/resnet18.a1_in1k could not be downloaded from http.* HF_ENDPOINT .* {path}"
    ):
        fetch_weights(ON_HUB)


def test_hub_not_there_then_by_hand(hub, home, monkeypatch):
    with serve(Hub) as gone:
        monkeypatch.setenv("HF_ENDPOINT", gone.url)
    with pytest.raises(OSError, match=r"Connection refused.*\); .* by hand"):
        fetch_weights(ON_HUB)
    (home / HUB_PATH).write_bytes(CONTENT)
    with pytest.warns(UserWarning, match=r"is used unverified: .*Connection refused"):
        assert fetch_weights(ON_HUB) == home / HUB_PATH
    monkeypatch.setenv("HF_ENDPOINT", hub.url)  # which states the checksum
    assert fetch_weights(ON_HUB) == home / HUB_PATH
    assert [method for method, _, _ in hub.requests if method == "GET"] == []
    (home / HUB_PATH).write_bytes(b"not it")
    with pytest.raises(ValueError, match="is not the published file"):
        fetch_weights(ON_HUB)


# ---------------------------------------------------------------------------------------------
# From a name to the name of a class


def tensors_of(model):
    """The model's own values, under the names and in the layout of torchvision."""
    naming, tensors = NAMINGS["torchvision"], {}
    for layer in model.layers:
        for variable in layer.weights:
            value = np.asarray(variable)
            axes = {4: (3, 2, 0, 1), 2: (1, 0)}.get(value.ndim)
            tensors[naming.tensor(layer.name, variable.name)] = value if axes is None else value.transpose(axes)
    return tensors


@pytest.mark.slow
def test_named_weights_answer_with_the_class_under_their_own_protocol(server, home, tmp_path, monkeypatch):
    """The file is ours, but everything else is as for a published one: its bias makes a tabby of any image."""
    bias = np.zeros(1000, "float32")
    bias[281] = 1e6
    tensors = {**tensors_of(keras_resnet.ResNet18()), "fc.bias": bias}
    server.content = torch_writer.write_zip(tmp_path / "net.pth", tensors).read_bytes()
    row = dataclasses.replace(on(server, server.content), input_size=288, crop_fraction=0.95, interpolation="bicubic")
    monkeypatch.setattr(pretrained, "_table", lambda: {row.id: row})

    model = keras_resnet.ResNet18(weights="torchvision/IMAGENET1K_V1")
    assert model.input_shape == (None, None, None, 3)  # of 224 as always, and of the 288 that the weights are tested at
    assert model.view == View((288, 288), 0.95, "bicubic")
    assert (len(model.class_names), model.class_names[281]) == (1000, "tabby")
    photo = np.random.default_rng(0).integers(0, 256, (300, 400, 3)).astype("uint8")
    (prediction,) = keras_resnet.predict(model, photo, top=1)
    assert prediction == [("tabby", pytest.approx(1))]
    seen = center_view(tf.constant(photo), model.view)
    assert seen.shape == (1, 288, 288, 3)
    probabilities = keras_resnet.predict(model, seen[0], view=View((288, 288)), top=1000)[0]
    assert dict(keras_resnet.predict(model, photo, top=1000)[0]) == pytest.approx(dict(probabilities), rel=1e-5)

    model.save(tmp_path / "net.keras")
    assert keras_resnet.predict(tmp_path / "net.keras", photo, top=1)[0][0][0] == "tabby"
    fixed = keras_resnet.ResNet18(weights="torchvision/IMAGENET1K_V1", input_shape=(224, 224, 3))
    assert fixed.view == View((224, 224), 0.95, "bicubic")
    with pytest.warns(UserWarning, match="another number of classes"):
        assert keras_resnet.ResNet18(weights="torchvision/IMAGENET1K_V1", classes=10).class_names is None
    assert keras_resnet.ResNet18(weights="torchvision/IMAGENET1K_V1", include_top=False).class_names is None


@pytest.mark.slow
def test_file_of_keras_by_name_answers_as_keras(server, home, tmp_path, monkeypatch):
    """keras.applications' own net, which takes blue first and no scale: from the name to its probabilities."""
    keras.utils.set_random_seed(0)
    peer = keras.applications.ResNet50(weights=None, input_shape=(64, 64, 3))
    with warnings.catch_warnings(action="ignore"):  # Keras calls HDF5 legacy
        peer.save(tmp_path / "peer.h5")
    server.content = (tmp_path / "peer.h5").read_bytes()
    row = dataclasses.replace(
        find_weights("resnet50_v1", "keras"),
        url=f"{server.url}/models/peer.h5",
        checksum=f"md5:{hashlib.md5(server.content).hexdigest()}",
    )
    monkeypatch.setattr(pretrained, "_table", lambda: {row.id: row})
    model = keras_resnet.create_model("resnet50_v1", weights="keras", input_shape=(64, 64, 3))
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype("float32")
    expected = peer(keras.applications.resnet.preprocess_input(images.copy()))
    np.testing.assert_allclose(model(images), expected, rtol=1e-3, atol=1e-6)
    assert (home / "peer.h5.verified").is_file()


def publish(hub, model, row, path):
    """Puts a file of drawn weights of the model on the hub."""
    hub.content = write_safetensors(path, peers_tensors(model, NAMINGS[row.naming])).read_bytes()
    hub.etag = hashlib.sha256(hub.content).hexdigest()
    return path


def test_file_of_timm_by_name_gives_its_logits(hub, home, tmp_path):
    variant, name = "test_resnet", "timm/test_resnet.r160_in1k"
    row = find_weights(variant, name)
    options = dict(classifier_activation=None, input_shape=(64, 64, 3))
    reference = keras_resnet.create_model(variant, mean=row.mean, std=row.std, **options)
    keras_resnet.load_weights(reference, publish(hub, reference, row, tmp_path / "net.safetensors"))
    model = keras_resnet.create_model(variant, weights=name, **options)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype("float32")
    np.testing.assert_allclose(model(images), reference(images), rtol=1e-5, atol=1e-5)
    assert np.ptp(model(images)) > 0.1
    assert (home / row.hub.replace("/", "--") / "model.safetensors.verified").is_file()


def test_weights_published_without_a_mean_leave_that_of_the_model(hub, home, tmp_path):
    row = dataclasses.replace(find_weights("test_resnet", "timm/test_resnet.r160_in1k"), mean=None, std=None)
    model = keras_resnet.create_model("test_resnet", input_shape=(64, 64, 3), mean=(9.0, 8.0, 7.0), std=2.0)
    before = model.get_weights()
    publish(hub, model, row, tmp_path / "net.safetensors")
    mean, std = get_normalization(keras_resnet.load_weights(model, row))
    np.testing.assert_allclose(mean, (9, 8, 7))
    np.testing.assert_allclose(std, 2)
    assert not any(np.array_equal(one, other) for one, other in zip(model.get_weights(), before, strict=True))
