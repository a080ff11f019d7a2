"""Combinations of options that no variant has: timm's model, timm's arguments, and this package's options."""

COMBINATIONS = [
    (
        "resnet26",
        dict(
            cardinality=32,
            base_width=4,
            stem_width=32,
            stem_type="deep",
            avg_down=True,
            aa_layer="blur",
            block_args=dict(attn_layer="se"),
            output_stride=16,
        ),
        dict(
            groups=32,
            base_width=4,
            stem="deep",
            shortcut="D",
            anti_alias="blur",
            attention="se",
            output_stride=16,
        ),
    ),
    (
        "resnet18",
        dict(aa_layer="blur", block_args=dict(attn_layer="eca"), output_stride=8),
        dict(anti_alias="blur", attention="eca", output_stride=8),
    ),
    (
        "resnet26t",
        dict(aa_layer="avg", output_stride=8),
        dict(anti_alias="average", output_stride=8),
    ),
    (
        "resnet26",
        dict(down_kernel_size=3, block_reduce_first=2, stem_type="deep", output_stride=16),
        dict(shortcut_size=3, reduce_first=2, stem="deep", stem_width=128, output_stride=16),
    ),
    (
        "resnet26",
        dict(norm_layer="groupnorm", avg_down=True, block_args=dict(attn_layer="se")),
        dict(norm="group_norm", shortcut="D", attention="se"),
    ),
    (
        "resnetv2_50x1_bit",
        dict(avg_down=True, output_stride=8),
        dict(shortcut="D", output_stride=8),
    ),
    (
        "resnet34",
        dict(block_reduce_first=2, stem_width=32, stem_type="deep_tiered", block_args=dict(attn_layer="eca")),
        dict(reduce_first=2, stem="tiered", attention="eca"),
    ),
]
