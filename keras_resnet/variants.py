"""VARIANTS: one row per architecture.

A row holds the keyword arguments of `keras_resnet.ResNet` that differ from the builder's
defaults. Names follow timm if timm has the model. Comments give the number of parameters
(with 1,000 classes, or CIFAR-10's ten).
"""

from typing import Any

Row = dict[str, Any]
IMAGENET_CLASSES = 1000
# Depths of the four stages. He et al. 2015, table 1; 200: He et al. 2016; 270 to 420: Bello et al. 2021.
_10 = dict(block="basic", depths=(1, 1, 1, 1))
_14 = dict(block="bottleneck", depths=(1, 1, 1, 1))
_18 = dict(block="basic", depths=(2, 2, 2, 2))
_26 = dict(block="bottleneck", depths=(2, 2, 2, 2))
_34 = dict(block="basic", depths=(3, 4, 6, 3))
_50 = dict(block="bottleneck", depths=(3, 4, 6, 3))
_101 = dict(block="bottleneck", depths=(3, 4, 23, 3))
_152 = dict(block="bottleneck", depths=(3, 8, 36, 3))
_200 = dict(block="bottleneck", depths=(3, 24, 36, 3))
_269 = dict(block="bottleneck", depths=(3, 30, 48, 8))  # timm
# The paper: stride in the first 1x1 convolution of a bottleneck.
_V1 = dict(stride_in="1x1")
# He et al. 2016, "Identity Mappings in Deep Residual Networks", https://arxiv.org/abs/1603.05027.
_V2 = dict(preactivation=True)
# He et al. 2018, "Bag of Tricks", https://arxiv.org/abs/1812.01187.
_C = dict(stem="deep")
_D = dict(stem="deep", shortcut="D")
_S = dict(stem="deep", stem_width=128)
_T = dict(stem="tiered", shortcut="D")  # timm
# Hu et al. 2017, https://arxiv.org/abs/1709.01507.
_SE = dict(attention="se")
# Wang et al. 2019, https://arxiv.org/abs/1910.03151.
_ECA = dict(attention="eca")
# Zhang 2019, https://arxiv.org/abs/1904.11486; and timm's simpler form.
_BLUR = dict(anti_alias="blur")
_AA = dict(anti_alias="average")
# Wu and He 2018, https://arxiv.org/abs/1803.08494.
_GN = dict(norm="group_norm")
# Xie et al. 2016, https://arxiv.org/abs/1611.05431.
_32X4D = dict(groups=32, base_width=4)
_32X8D = dict(groups=32, base_width=8)
_64X4D = dict(groups=64, base_width=4)
# Kolesnikov et al. 2019, "Big Transfer", https://arxiv.org/abs/1912.11370.
_BIT = dict(**_V2, **_GN, stem="fixed", conv="standardized")
_BIT_X1 = dict(_BIT, stem_width=64, widths=(64, 128, 256, 512))
_BIT_X2 = dict(_BIT, stem_width=128, widths=(128, 256, 512, 1024))
_BIT_X3 = dict(_BIT, stem_width=192, widths=(192, 384, 768, 1536))
_BIT_X4 = dict(_BIT, stem_width=256, widths=(256, 512, 1024, 2048))
# Bello et al. 2021, "Revisiting ResNets", https://arxiv.org/abs/2103.07579.
_RS = dict(block="bottleneck", stem="deep_strided", shortcut="D", attention="se", se_ratio=1 / 4)
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
    "resnet26": dict(_26),  # 16.0M
    "resnet34": dict(_34),  # 21.8M
    "resnet50": dict(_50),  # 25.6M
    "resnet101": dict(_101),  # 44.5M
    "resnet152": dict(_152),  # 60.2M
    "resnet200": dict(_200),  # 64.7M
    "resnet50_v1": dict(_50, **_V1),  # 25.6M
    "resnet101_v1": dict(_101, **_V1),  # 44.5M
    "resnet152_v1": dict(_152, **_V1),  # 60.2M
    "resnet50_gn": dict(_50, **_GN),  # 25.6M
    "plainnet18": dict(_18, residual=False),  # 11.5M
    "plainnet34": dict(_34, residual=False),  # 21.6M
    "resnetv2_18": dict(_18, **_V2),  # 11.7M
    "resnetv2_34": dict(_34, **_V2),  # 21.8M
    "resnetv2_50": dict(_50, **_V2),  # 25.5M
    "resnetv2_101": dict(_101, **_V2),  # 44.5M
    "resnetv2_152": dict(_152, **_V2),  # 60.2M
    "resnetv2_200": dict(_200, **_V2),  # 64.7M
    "resnetv2_18d": dict(_18, **_V2, **_D),  # 11.7M
    "resnetv2_34d": dict(_34, **_V2, **_D),  # 21.8M
    "resnetv2_50d": dict(_50, **_V2, **_D),  # 25.6M
    "resnetv2_101d": dict(_101, **_V2, **_D),  # 44.6M
    "resnetv2_152d": dict(_152, **_V2, **_D),  # 60.2M
    "resnetv2_50t": dict(_50, **_V2, **_T),  # 25.6M
    "resnetv2_50d_gn": dict(_50, **_V2, **_D, **_GN),  # 25.6M
    "resnetv2_50x1_bit": dict(_50, **_BIT_X1),  # 25.5M
    "resnetv2_50x3_bit": dict(_50, **_BIT_X3),  # 217.3M
    "resnetv2_101x1_bit": dict(_101, **_BIT_X1),  # 44.5M
    "resnetv2_101x3_bit": dict(_101, **_BIT_X3),  # 387.9M
    "resnetv2_152x2_bit": dict(_152, **_BIT_X2),  # 236.3M
    "resnetv2_152x4_bit": dict(_152, **_BIT_X4),  # 936.5M
    "resnet50c": dict(_50, **_C),  # 25.6M
    "resnet101c": dict(_101, **_C),  # 44.6M
    "resnet152c": dict(_152, **_C),  # 60.2M
    "resnet18d": dict(_18, **_D),  # 11.7M
    "resnet26d": dict(_26, **_D),  # 16.0M
    "resnet34d": dict(_34, **_D),  # 21.8M
    "resnet50d": dict(_50, **_D),  # 25.6M
    "resnet101d": dict(_101, **_D),  # 44.6M
    "resnet152d": dict(_152, **_D),  # 60.2M
    "resnet200d": dict(_200, **_D),  # 64.7M
    "resnet50s": dict(_50, **_S),  # 25.7M
    "resnet101s": dict(_101, **_S),  # 44.7M
    "resnet152s": dict(_152, **_S),  # 60.3M
    "resnet10t": dict(_10, **_T),  # 5.4M
    "resnet14t": dict(_14, **_T),  # 10.1M
    "resnet26t": dict(_26, **_T),  # 16.0M
    "resnet50t": dict(_50, **_T),  # 25.6M
    # timm's, for quick tests.
    "test_resnet": dict(
        _D,
        block=("basic", "basic", "bottleneck", "basic"),
        depths=(1, 1, 1, 1),
        widths=(32, 48, 48, 96),
        stem_width=32,
    ),  # 0.47M
    "seresnet18": dict(_18, **_SE),  # 11.8M
    "seresnet34": dict(_34, **_SE),  # 22.0M
    "seresnet50": dict(_50, **_SE),  # 28.1M
    "seresnet101": dict(_101, **_SE),  # 49.3M
    "seresnet152": dict(_152, **_SE),  # 66.8M
    "seresnet50t": dict(_50, **_T, **_SE),  # 28.1M
    "seresnet152d": dict(_152, **_D, **_SE),  # 66.8M
    "seresnet200d": dict(_200, **_D, **_SE),  # 71.9M
    "seresnet269d": dict(_269, **_D, **_SE),  # 113.7M
    "senet154": dict(
        _152, **_SE, stem="deep", stem_width=128, groups=64, base_width=4, reduce_first=2, shortcut_size=3
    ),  # 115.1M
    "ecaresnet26t": dict(_26, **_T, **_ECA),  # 16.0M
    "ecaresnet50t": dict(_50, **_T, **_ECA),  # 25.6M
    "ecaresnet50d": dict(_50, **_D, **_ECA),  # 25.6M
    "ecaresnet101d": dict(_101, **_D, **_ECA),  # 44.6M
    "ecaresnet200d": dict(_200, **_D, **_ECA),  # 64.7M
    "ecaresnet269d": dict(_269, **_D, **_ECA),  # 102.1M
    "ecaresnetlight": dict(_ECA, block="bottleneck", depths=(1, 1, 11, 3), shortcut="D"),  # 30.2M
    "resnext50_32x4d": dict(_50, **_32X4D),  # 25.0M
    "resnext50d_32x4d": dict(_50, **_D, **_32X4D),  # 25.0M
    "resnext101_32x4d": dict(_101, **_32X4D),  # 44.2M
    "resnext101_32x8d": dict(_101, **_32X8D),  # 88.8M
    "resnext101_32x16d": dict(_101, groups=32, base_width=16),  # 194.0M
    "resnext101_32x32d": dict(_101, groups=32, base_width=32),  # 468.5M
    "resnext101_64x4d": dict(_101, **_64X4D),  # 83.5M
    "seresnext26d_32x4d": dict(_26, **_D, **_SE, **_32X4D),  # 16.8M
    "seresnext26t_32x4d": dict(_26, **_T, **_SE, **_32X4D),  # 16.8M
    "seresnext50_32x4d": dict(_50, **_SE, **_32X4D),  # 27.6M
    "seresnext101_32x4d": dict(_101, **_SE, **_32X4D),  # 49.0M
    "seresnext101_32x8d": dict(_101, **_SE, **_32X8D),  # 93.6M
    "seresnext101d_32x8d": dict(_101, **_D, **_SE, **_32X8D),  # 93.6M
    "seresnext101_64x4d": dict(_101, **_SE, **_64X4D),  # 88.2M
    "ecaresnext26t_32x4d": dict(_26, **_T, **_ECA, **_32X4D),  # 15.4M
    "ecaresnext50t_32x4d": dict(_50, **_T, **_ECA, **_32X4D),  # 25.0M
    # Zagoruyko and Komodakis 2016: 3x3 convolutions of twice the width.
    "wide_resnet50_2": dict(_50, base_width=128),  # 68.9M
    "wide_resnet101_2": dict(_101, base_width=128),  # 126.9M
    "resnetblur18": dict(_18, **_BLUR),  # 11.7M
    "resnetblur50": dict(_50, **_BLUR),  # 25.6M
    "resnetblur50d": dict(_50, **_D, **_BLUR),  # 25.6M
    "resnetblur101d": dict(_101, **_D, **_BLUR),  # 44.6M
    "resnetaa34d": dict(_34, **_D, **_AA),  # 21.8M
    "resnetaa50": dict(_50, **_AA),  # 25.6M
    "resnetaa50d": dict(_50, **_D, **_AA),  # 25.6M
    "resnetaa101d": dict(_101, **_D, **_AA),  # 44.6M
    "seresnetaa50d": dict(_50, **_D, **_AA, **_SE),  # 28.1M
    "seresnextaa101d_32x8d": dict(_101, **_D, **_AA, **_SE, **_32X8D),  # 93.6M
    "seresnextaa201d_32x8d": dict(
        _D, **_AA, **_SE, **_32X8D, block="bottleneck", depths=(3, 24, 36, 4), stem_width=128
    ),  # 149.4M
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
    # For the recipe cifar_muon: most of its operations are convolutions with many filters, which CPUs compute fastest.
    "resnet12_fast_cifar": dict(
        _CIFAR_SIZES, **_AA, block="basic", depths=(1, 2, 2), widths=(32, 128, 256), shortcut="D"
    ),  # 2.6M
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
