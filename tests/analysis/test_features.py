"""Filters and feature maps of all kinds of networks."""

import keras
import numpy as np
import pytest

from keras_resnet.analysis.features import FeatureMaps, feature_maps, first_filters, layer_output, stage_ends
from tests.analysis.test_graph import own_head
from tests.exporting.nets import photos, small_net

ENDS = {
    "resnet18": ["stem_pool", "stage1_block2_out", "stage2_block1_out", "stage3_block1_out", "stage4_block1_out"],
    "resnet50d": ["stem_pool", "stage1_block2_out", "stage2_block1_out", "stage3_block1_out", "stage4_block1_out"],
    "plainnet20_cifar": ["stem_relu", "stage1_block2_out", "stage2_block1_out", "stage3_block1_out"],
}


@pytest.mark.parametrize("name", ENDS)
def test_ends_of_stem_and_stages(name):
    assert stage_ends(small_net(name)) == ENDS[name]


def test_ends_of_the_stages_of_keras_applications():
    model = keras.applications.ResNet50(weights=None, input_shape=(32, 32, 3), classes=3)
    ends = ["pool1_pool", "conv2_block3_out", "conv3_block4_out", "conv4_block6_out", "conv5_block3_out"]
    assert stage_ends(model) == ends


def test_ends_of_stages_without_names():
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", name="a")(images)
    for number, (channels, stride) in enumerate([(4, 1), (4, 1), (8, 2), (8, 1)]):
        skip = keras.layers.Conv2D(channels, 1, stride)(x)
        branch = keras.layers.Conv2D(channels, 3, stride, padding="same")(x)
        x = keras.layers.Add(name=f"sum{number}")([skip, branch])
    assert stage_ends(keras.Model(images, x)) == ["a", "sum1", "sum3"]


@pytest.mark.parametrize("name", ["resnet18", "resnet50d"])
def test_filters_are_those_of_the_first_convolution(name):
    model = small_net(name)
    layer = "stem_conv" if name == "resnet18" else "stem_conv1"
    filters = first_filters(model)
    kernel = model.get_layer(layer).get_weights()[0]
    assert filters.layer == layer
    for number, found in enumerate(filters.kernels):
        np.testing.assert_array_equal(found, kernel[..., number])


def test_feature_maps_are_what_the_layers_output():
    model, image = small_net("resnet20_cifar"), photos(1)[0]
    found = feature_maps(model, image)
    expected = keras.Model(model.input, [model.get_layer(name).output for name in ENDS["plainnet20_cifar"]])(
        image[None]
    )
    assert [each.layer for each in found] == ENDS["plainnet20_cifar"]
    for each, values in zip(found, expected, strict=True):
        np.testing.assert_array_equal(each.maps, values[0])
    [one] = feature_maps(model, image, ["stage2_block1_conv1"])
    assert one.maps.shape == (16, 16, 32)


def test_feature_maps_of_a_network_inside_of_a_users_model():
    base, image = small_net("resnet20_cifar", include_top=False, pooling="avg"), photos(1)[0]
    for nested, alone in zip(feature_maps(own_head(base), image), feature_maps(base, image), strict=True):
        assert nested.layer == alone.layer
        np.testing.assert_array_equal(nested.maps, alone.maps)


def test_strongest_channels_and_active_values():
    maps = np.zeros((2, 2, 3))
    maps[..., 0] = [[1, -1], [2, 0]]
    maps[0, 0, 2] = 8
    features = FeatureMaps("conv", maps)
    np.testing.assert_array_equal(features.strengths, [1, 0, 2])
    assert features.strongest(2).tolist() == [2, 0]
    assert features.strongest(9).tolist() == [2, 0, 1]
    assert features.active == 3 / 12


def test_layers_without_maps_are_refused():
    model = small_net("resnet20_cifar")
    with pytest.raises(ValueError, match="Unknown layer with feature maps 'avg_pool'"):
        layer_output(model, "avg_pool")
    dense = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(2)], name="mlp")
    with pytest.raises(ValueError, match="mlp has no convolution"):
        first_filters(dense)
    with pytest.raises(ValueError, match=r"mlp has no blocks: .* Name the layers"):
        feature_maps(dense, np.zeros((4, 4, 3)))


def test_channels_first_is_refused():
    keras.config.set_image_data_format("channels_first")
    try:
        model = small_net("resnet18", input_shape=(3, 32, 32))
        with pytest.raises(ValueError, match=r"needs channels last: keras\.config\.set_image_data_format\('channels_l"):
            layer_output(model, "stem_conv")
    finally:
        keras.config.set_image_data_format("channels_last")
