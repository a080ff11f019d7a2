"""Messages about unknown names."""

from keras_resnet.errors import unknown_name


def test_endless_names_are_not_compared_with_the_known_ones():
    assert "did you mean 'resnet50'?" in str(unknown_name("model", "resnet5O", ["resnet50"]))
    assert "available: 'aaa" in str(unknown_name("model", "a" * 999 + "b", ["a" * 1000]))
