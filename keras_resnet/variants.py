"""VARIANTS: one row per architecture.

A row holds the keyword arguments of `keras_resnet.ResNet` that differ from the builder's
defaults. Names follow timm if timm has the model. Comments give the number of parameters
(with 1,000 classes, or CIFAR-10's ten).
"""

from typing import Any

Row = dict[str, Any]
IMAGENET_CLASSES = 1000
# Depths of the four stages. He et al. 2015, table 1; 200: He et al. 2016; 270 to 420: Bello et al. 2021.
_18 = dict(block="basic", depths=(2, 2, 2, 2))
_34 = dict(block="basic", depths=(3, 4, 6, 3))
_50 = dict(block="bottleneck", depths=(3, 4, 6, 3))
_101 = dict(block="bottleneck", depths=(3, 4, 23, 3))
_152 = dict(block="bottleneck", depths=(3, 8, 36, 3))
_200 = dict(block="bottleneck", depths=(3, 24, 36, 3))
# The paper: stride in the first 1x1 convolution of a bottleneck.
_V1 = dict(stride_in="1x1")
# He et al. 2016, "Identity Mappings in Deep Residual Networks", https://arxiv.org/abs/1603.05027.
_V2 = dict(preactivation=True)
# He et al. 2018, "Bag of Tricks", https://arxiv.org/abs/1812.01187.
_D = dict(stem="deep", shortcut="D")
# Hu et al. 2017, https://arxiv.org/abs/1709.01507.
_SE = dict(se_ratio=1 / 16)
# Bello et al. 2021, "Revisiting ResNets", https://arxiv.org/abs/2103.07579.
_RS = dict(block="bottleneck", stem="deep_strided", shortcut="D", se_ratio=1 / 4)
# The paper's section 4.2: 3x3 stem without pooling, three stages of 16, 32 and 64 filters, and
# shortcuts without parameters (option A).
_CIFAR_SIZES = dict(stem="cifar", input_shape=(32, 32, 3), classes=10)
_CIFAR = dict(_CIFAR_SIZES, block="basic", widths=(16, 32, 64), shortcut="A")
_PLAIN_CIFAR = dict(_CIFAR, residual=False)
# He et al. 2016: basic blocks with option A for 110 layers; bottlenecks with projections for deeper nets.
_V2_CIFAR = dict(_CIFAR_SIZES, **_V2, block="bottleneck", widths=(16, 32, 64))
# Zagoruyko and Komodakis 2016, "Wide Residual Networks", https://arxiv.org/abs/1605.07146.
_WIDE_CIFAR = dict(_CIFAR_SIZES, **_V2, block="basic", stem_width=16)
VARIANTS: dict[str, Row] = {
    # Stride in the 3x3 convolution of a bottleneck ("v1.5": fb.resnet.torch, torchvision, timm).
    "resnet18": dict(_18),  # 11.7M
    "resnet34": dict(_34),  # 21.8M
    "resnet50": dict(_50),  # 25.6M
    "resnet101": dict(_101),  # 44.5M
    "resnet152": dict(_152),  # 60.2M
    "resnet200": dict(_200),  # 64.7M
    "resnet50_v1": dict(_50, **_V1),  # 25.6M
    "resnet101_v1": dict(_101, **_V1),  # 44.5M
    "resnet152_v1": dict(_152, **_V1),  # 60.2M
    "plainnet18": dict(_18, residual=False),  # 11.5M
    "plainnet34": dict(_34, residual=False),  # 21.6M
    "resnetv2_18": dict(_18, **_V2),  # 11.7M
    "resnetv2_34": dict(_34, **_V2),  # 21.8M
    "resnetv2_50": dict(_50, **_V2),  # 25.5M
    "resnetv2_101": dict(_101, **_V2),  # 44.5M
    "resnetv2_152": dict(_152, **_V2),  # 60.2M
    "resnetv2_200": dict(_200, **_V2),  # 64.6M
    "resnet18d": dict(_18, **_D),  # 11.7M
    "resnet34d": dict(_34, **_D),  # 21.8M
    "resnet50d": dict(_50, **_D),  # 25.6M
    "resnet101d": dict(_101, **_D),  # 44.6M
    "resnet152d": dict(_152, **_D),  # 60.2M
    "resnet200d": dict(_200, **_D),  # 64.7M
    "seresnet18": dict(_18, **_SE),  # 11.8M
    "seresnet34": dict(_34, **_SE),  # 22.0M
    "seresnet50": dict(_50, **_SE),  # 28.1M
    "seresnet101": dict(_101, **_SE),  # 49.3M
    "seresnet152": dict(_152, **_SE),  # 66.8M
    # Xie et al. 2016, https://arxiv.org/abs/1611.05431.
    "resnext50_32x4d": dict(_50, groups=32, base_width=4),  # 25.0M
    "resnext101_32x8d": dict(_101, groups=32, base_width=8),  # 88.8M
    "resnext101_64x4d": dict(_101, groups=64, base_width=4),  # 83.5M
    # Zagoruyko and Komodakis 2016: 3x3 convolutions of twice the width.
    "wide_resnet50_2": dict(_50, base_width=128),  # 68.9M
    "wide_resnet101_2": dict(_101, base_width=128),  # 126.9M
    "resnetblur50": dict(_50, blur_pool=True),  # 25.6M
    "resnetrs50": dict(_RS, depths=(3, 4, 6, 3)),  # 35.7M
    "resnetrs101": dict(_RS, depths=(3, 4, 23, 3)),  # 63.6M
    "resnetrs152": dict(_RS, depths=(3, 8, 36, 3)),  # 86.6M
    "resnetrs200": dict(_RS, depths=(3, 24, 36, 3)),  # 93.2M
    "resnetrs270": dict(_RS, depths=(4, 29, 53, 4)),  # 129.9M
    "resnetrs350": dict(_RS, depths=(4, 36, 72, 4)),  # 164.0M
    "resnetrs420": dict(_RS, depths=(4, 44, 87, 4)),  # 191.9M
    # Section 4.2 of the paper: 6n + 2 layers.
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
    # He et al. 2016: 6n + 2 layers of basic blocks, 9n + 2 of bottlenecks.
    "resnetv2_110_cifar": dict(_CIFAR, **_V2, depths=(18, 18, 18)),  # 1.7M
    "resnetv2_164_cifar": dict(_V2_CIFAR, depths=(18, 18, 18)),  # 1.7M
    "resnetv2_1001_cifar": dict(_V2_CIFAR, depths=(111, 111, 111)),  # 10.3M
    # Wide nets for CIFAR: 6n + 4 layers, k times the width.
    "wide_resnet16_8_cifar": dict(_WIDE_CIFAR, depths=(2, 2, 2), widths=(128, 256, 512)),  # 11.0M
    "wide_resnet28_10_cifar": dict(_WIDE_CIFAR, depths=(4, 4, 4), widths=(160, 320, 640)),  # 36.5M
    "wide_resnet40_4_cifar": dict(_WIDE_CIFAR, depths=(6, 6, 6), widths=(64, 128, 256)),  # 8.9M
    # MLPerf Tiny (https://arxiv.org/abs/2106.07597): TensorFlow's padding, projections as shortcuts.
    "resnet8": dict(
        _CIFAR_SIZES, block="basic", depths=(1, 1, 1), widths=(16, 32, 64), padding="same", include_preprocessing=False
    ),  # 0.08M
}
