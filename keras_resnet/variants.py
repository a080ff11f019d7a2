"""VARIANTS: one row per architecture, nothing but data.

A row holds the keyword arguments of `keras_resnet.ResNet` that differ from the builder's
defaults. Names follow timm where timm has the model. The comment gives the parameters of
the row as it stands (1,000 classes, or CIFAR-10's ten).
"""

IMAGENET_CLASSES = 1000

# The paper's section 4.2: 3x3 stem without pooling, three stages of 16, 32 and 64 filters, and
# shortcuts without parameters ("option A everywhere").
_CIFAR = dict(block="basic", widths=(16, 32, 64), stem="cifar", shortcut="A", input_shape=(32, 32, 3), classes=10)
_PLAIN_CIFAR = dict(_CIFAR, residual=False)

VARIANTS = {
    # Section 4.1, table 1. Stride in the 3x3 convolution of a bottleneck ("v1.5").
    "resnet18": dict(block="basic", depths=(2, 2, 2, 2)),  # 11.7M
    "resnet34": dict(block="basic", depths=(3, 4, 6, 3)),  # 21.8M
    "resnet50": dict(block="bottleneck", depths=(3, 4, 6, 3)),  # 25.6M
    "resnet101": dict(block="bottleneck", depths=(3, 4, 23, 3)),  # 44.5M
    "resnet152": dict(block="bottleneck", depths=(3, 8, 36, 3)),  # 60.2M
    "plainnet18": dict(block="basic", depths=(2, 2, 2, 2), residual=False),  # 11.5M
    "plainnet34": dict(block="basic", depths=(3, 4, 6, 3), residual=False),  # 21.6M
    # Section 4.2: 6n + 2 layers.
    "resnet20_cifar": dict(_CIFAR, depths=(3, 3, 3)),  # 0.27M
    "resnet32_cifar": dict(_CIFAR, depths=(5, 5, 5)),  # 0.46M
    "resnet44_cifar": dict(_CIFAR, depths=(7, 7, 7)),  # 0.66M
    "resnet56_cifar": dict(_CIFAR, depths=(9, 9, 9)),  # 0.85M
    "resnet110_cifar": dict(_CIFAR, depths=(18, 18, 18)),  # 1.7M
    "resnet1202_cifar": dict(_CIFAR, depths=(200, 200, 200)),  # 19.4M
    "plainnet20_cifar": dict(_PLAIN_CIFAR, depths=(3, 3, 3)),  # 0.27M
    "plainnet32_cifar": dict(_PLAIN_CIFAR, depths=(5, 5, 5)),  # 0.46M
    "plainnet44_cifar": dict(_PLAIN_CIFAR, depths=(7, 7, 7)),  # 0.66M
    "plainnet56_cifar": dict(_PLAIN_CIFAR, depths=(9, 9, 9)),  # 0.85M
    "plainnet110_cifar": dict(_PLAIN_CIFAR, depths=(18, 18, 18)),  # 1.7M
    "plainnet1202_cifar": dict(_PLAIN_CIFAR, depths=(200, 200, 200)),  # 19.4M
}
