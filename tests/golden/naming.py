"""Which of the namings in `keras_resnet.weights.conversion` a model of timm has."""

DEEP_STEMS = ("deep", "tiered", "deep_strided")


def timm_naming(options):
    """The key of NAMINGS for a model of these options."""
    if options.get("preactivation"):
        return "timm_v2"
    names = {
        (False, False): "torchvision",
        (True, False): "timm_deep_stem",
        (False, True): "timm_pooled",
        (True, True): "timm_deep",
    }
    return names[options.get("stem") in DEEP_STEMS, options.get("shortcut") == "D"]
