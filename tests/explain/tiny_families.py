"""A tiny random-weight member of each family of timm's transformers, as `docs/families.md` lists them."""

from typing import Any

_S = {"embed_dim": 32, "depth": 2, "num_heads": 2}

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "ViT, class token": ("vit_tiny_patch16_224", {"img_size": 64, **_S}),
    "ViT, average pooling": ("vit_medium_patch16_gap_240", {"img_size": 64, **_S}),
    "ViT, registers and average pooling": ("vit_little_patch16_reg4_gap_256", {"img_size": 64, **_S}),
    "ViT behind convolutions": ("vit_tiny_r_s16_p8_224", {"img_size": 64, **_S}),
    "FlexiViT": ("flexivit_small", {"img_size": 64, **_S}),
    "CLIP": ("vit_base_patch16_clip_224", {"img_size": 64, "num_classes": 10, **_S}),
    "SigLIP, attention pooling": ("vit_base_patch16_siglip_224", {"img_size": 64, "num_classes": 10, **_S}),
    "DINOv2": ("vit_small_patch14_dinov2", {"img_size": 56, "num_classes": 10, **_S}),
    "DINOv2 with registers": ("vit_small_patch14_reg4_dinov2", {"img_size": 56, "num_classes": 10, **_S}),
    "DINOv3": ("vit_small_patch16_dinov3", {"img_size": 64, "num_classes": 10, **_S}),
    "DeiT": ("deit_tiny_patch16_224", {"img_size": 64, **_S}),
    "DeiT, distilled": ("deit_tiny_distilled_patch16_224", {"img_size": 64, **_S}),
    "DeiT III": ("deit3_small_patch16_224", {"img_size": 64, **_S}),
    "BEiT": ("beit_base_patch16_224", {"img_size": 64, **_S}),
    "BEiT v2": ("beitv2_base_patch16_224", {"img_size": 64, **_S}),
    "EVA-02": ("eva02_tiny_patch14_224", {"img_size": 56, "num_classes": 10, **_S}),
    "ViT, rotary": ("vit_small_patch16_rope_224", {"img_size": 64, **_S}),
    "Perception Encoder": ("vit_pe_core_tiny_patch16_384", {"img_size": 64, "num_classes": 10, **_S}),
    "ViT, relative positions": ("vit_relpos_small_patch16_224", {"img_size": 64, **_S}),
    "ViT, shared relative positions": ("vit_srelpos_small_patch16_224", {"img_size": 64, **_S}),
    "NaFlexViT": ("naflexvit_base_patch16_gap", {**_S}),
    "SAM": ("samvit_base_patch16_224", {"img_size": 64, "num_classes": 10, "global_attn_indexes": (1,), **_S}),
    "CaiT": ("cait_xxs24_224", {"img_size": 64, **_S}),
    "ConViT": ("convit_tiny", {"img_size": 64, "embed_dim": 32, "depth": 3, "num_heads": 2, "local_up_to_layer": 2}),
    "CrossViT": ("crossvit_tiny_240", {"embed_dim": (32, 32), "num_heads": (2, 2), "depth": ((1, 1, 0),)}),
    "XCiT": ("xcit_nano_12_p16_224", {"img_size": 64, **_S}),
    "VOLO": ("volo_d1_224", {"img_size": 64}),
    "TNT": (
        "tnt_s_patch16_224",
        {"img_size": 64, "embed_dim": 32, "inner_dim": 8, "depth": 2, "num_heads_outer": 2, "num_heads_inner": 2},
    ),
    "Swin": ("swin_tiny_patch4_window7_224", {"img_size": 56, "embed_dim": 16, "depths": (1, 1), "num_heads": (2, 2)}),
    "Swin v2": ("swinv2_tiny_window8_256", {"img_size": 64, "embed_dim": 16, "depths": (1, 1), "num_heads": (2, 2)}),
    "PiT": ("pit_ti_224", {"img_size": 64, "base_dims": (16, 16, 16), "depth": (1, 1, 1), "heads": (1, 1, 1)}),
    "LeViT": ("levit_128s", {"img_size": 128}),
    "PVT v2": (
        "pvt_v2_b0",
        {"depths": (1, 1), "embed_dims": (16, 16), "num_heads": (1, 2), "sr_ratios": (2, 1), "mlp_ratios": (2, 2)},
    ),
    "MViT v2": ("mvitv2_tiny", {"img_size": 64}),
    "Hiera": ("hiera_tiny_224", {"img_size": 64, "embed_dim": 16, "num_heads": 1, "stages": (1, 1, 1, 1)}),
}
