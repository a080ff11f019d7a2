"""Importing torchvision, which timm imports too, also beside a PyTorch for CPUs."""


def import_torchvision():
    """torchvision, whatever the build of PyTorch.

    The compiled operators of PyPI's torchvision do not load beside a PyTorch for CPUs. No ResNet uses them, yet the
    import expects to find two of them.
    """
    import torch

    try:
        import torchvision
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor boxes, Tensor scores, float threshold) -> Tensor")
        import torchvision

        torchvision.placeholders = library  # the operators live as long as this object
    return torchvision
