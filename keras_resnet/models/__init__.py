"""The networks: stems, blocks, head, the builder, and a constructor for each variant."""

from collections.abc import Callable

from keras_resnet.models.constructors import CONSTRUCTORS, create_model, list_models
from keras_resnet.models.model import Model
from keras_resnet.models.resnet import ResNet

__all__ = ["CONSTRUCTORS", "Model", "ResNet", "create_model", "list_models"]
__all__ += list(CONSTRUCTORS)


# The names of the constructors are computed from the table of variants, so no statement can define them one by one.
def __getattr__(name: str) -> Callable[..., Model]:
    if name in CONSTRUCTORS:
        return CONSTRUCTORS[name]
    raise AttributeError(f"module 'keras_resnet.models' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *CONSTRUCTORS})
