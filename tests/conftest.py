"""Two logical CPU devices, the optional local data, and a small data set that can be learned."""

import os
import pathlib
import signal

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pytest
import tensorflow as tf

REPOSITORY = pathlib.Path(__file__).parent.parent

# Before TensorFlow starts: tests of tf.distribute need a second device.
_cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(_cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.fixture(scope="session")
def local_data() -> pathlib.Path:
    """The folder of real data (see CONTRIBUTING.md); the test is skipped, saying so, without it."""
    folder = pathlib.Path(os.environ.get("KERAS_RESNET_TEST_DATA", REPOSITORY / "../shared/data"))
    if not folder.is_dir():
        pytest.skip(f"needs the local data folder {folder} (KERAS_RESNET_TEST_DATA; see CONTRIBUTING.md)")
    return folder


@pytest.fixture(scope="session")
def shapes():
    """120 training and 40 test images (8, 8, 3) of four classes, told apart by the bright quarter."""
    random = np.random.default_rng(0)

    def draw(count):
        labels = np.arange(count) % 4
        images = random.integers(0, 120, (count, 8, 8, 3))
        for image, label in zip(images, labels, strict=True):
            top, left = divmod(int(label), 2)
            image[4 * top : 4 * top + 4, 4 * left : 4 * left + 4] += 120
        return images.astype("uint8"), labels

    return draw(120), draw(40)


@pytest.fixture
def children_receive_ctrl_c():
    """Shells ignore Ctrl-C in programs that run in the background, and so do the programs that those start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
