"""How other libraries name the weights of networks that timm has too: a table of patterns for each family."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from vitbench.models.token_and_mean import reads_token_and_mean


@dataclass(frozen=True)
class Family:
    """How one library names the weights of a kind of network."""

    name: str
    """As a person says it."""
    anchor: re.Pattern[str]
    """A name that this family has and others have not; what stands before it is the prefix of the backbone."""
    names: tuple[tuple[str, str], ...]
    """(pattern, timm's name), tried in order on what follows the prefix."""
    heads: tuple[tuple[str, str], ...] = ()
    """The same for names that stand outside the prefix."""
    separate_bias: bool = False
    """Whether timm keeps the biases of query and value beside the stacked matrix (BEiT, EVA)."""
    finish: Callable[[dict[str, Tensor]], dict[str, Tensor]] = lambda tensors: tensors


_BLOCK = r"(?:model\.)?(?:encoder\.)?(?:layers?|resblocks)\.(\d+)\."
"""Where block i lies: `encoder.layer.0.` in what transformers saves, `layers.0.` in the modules of its version 5."""


def _blocks(parts: Mapping[str, str], place: str = _BLOCK) -> tuple[tuple[str, str], ...]:
    """Patterns of the parts of block i; names of parts are patterns too."""
    return tuple((rf"{place}{theirs}\.(weight|bias)", rf"blocks.\1.{ours}.\2") for theirs, ours in parts.items())


_EMBEDDINGS = (
    (r"embeddings\.cls_token", "cls_token"),
    (r"embeddings\.distillation_token", "dist_token"),
    (r"embeddings\.register_tokens", "reg_token"),
    (r"embeddings\.position_embeddings", "pos_embed"),
    (r"embeddings\.patch_embeddings\.(?:projection\.)?(weight|bias)", r"patch_embed.proj.\1"),
    (r"layernorm\.(weight|bias)", r"norm.\1"),
)
_ATTENTION = {
    r"attention\.(?:attention\.query|q_proj)": "attn.q",
    r"attention\.(?:attention\.key|k_proj)": "attn.k",
    r"attention\.(?:attention\.value|v_proj)": "attn.v",
    r"attention\.(?:output\.dense|o_proj)": "attn.proj",
}
_GATED = {r"mlp\.gate_proj": "mlp.gate", r"mlp\.up_proj": "mlp.up", r"mlp\.down_proj": "mlp.fc2"}
_NAMED = {name.replace(".", r"\."): name for name in ("norm1", "norm2", "mlp.fc1", "mlp.fc2")}
_BERT_BLOCK = _ATTENTION | {
    "layernorm_before": "norm1",
    "layernorm_after": "norm2",
    r"(?:intermediate\.dense|mlp\.fc1)": "mlp.fc1",
    r"(?:output\.dense|mlp\.fc2)": "mlp.fc2",
}
_CLIP_BLOCK = {
    r"self_attn\.q_proj": "attn.q",
    r"self_attn\.k_proj": "attn.k",
    r"self_attn\.v_proj": "attn.v",
    r"self_attn\.out_proj": "attn.proj",
    "layer_norm1": "norm1",
    "layer_norm2": "norm2",
    r"mlp\.fc1": "mlp.fc1",
    r"mlp\.fc2": "mlp.fc2",
}
_CLIP_EMBEDDINGS = (
    (r"embeddings\.class_embedding", "cls_token"),
    (r"embeddings\.patch_embedding\.(weight|bias)", r"patch_embed.proj.\1"),
    (r"embeddings\.position_embedding\.weight", "pos_embed"),
    (r"pre_layrnorm\.(weight|bias)", r"norm_pre.\1"),
    (r"post_layernorm\.(weight|bias)", r"norm.\1"),
)


def _with_axes(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """CLIP's and SigLIP's positions [N, D] and class token [D] as timm's [1, N, D] and [1, 1, D]."""
    for name in ("pos_embed", "cls_token"):
        if name in tensors:
            tensors[name] = tensors[name].reshape(1, -1, tensors[name].shape[-1])
    return tensors


def _with_pool(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """SigLIP's pooling head: torch's stacked query, key and value as timm's query, and key and value."""
    tensors = _with_axes(tensors)
    for kind in ("weight", "bias"):
        stacked = tensors.pop(f"attn_pool.in_proj_{kind}", None)
        if stacked is not None:
            query, *rest = stacked.chunk(3)
            tensors[f"attn_pool.q.{kind}"], tensors[f"attn_pool.kv.{kind}"] = query, torch.cat(rest)
    if "head.weight" in tensors:
        # The classifier of transformers reads the mean of the patches and leaves the pooling head out.
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("attn_pool.")}
    return tensors


def _packed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """DINOv2's gated MLP: timm packs the two matrices that are multiplied in one, the gate first.

    Its head of transformers also reads the mean of the patches. Where that half is zero, as `vitbench export` writes
    it for a head that does not, the other half is the head.
    """
    if reads_token_and_mean(tensors):
        token, mean = tensors["head.weight"].chunk(2, dim=1)
        if not bool(mean.any()):
            tensors["head.weight"] = token.contiguous()
    for name in [name for name in tensors if ".mlp.gate." in name]:
        other = tensors.pop(name.replace(".gate.", ".up."))
        tensors[name.replace(".gate.", ".fc1.")] = torch.cat([tensors.pop(name), other])
    return tensors


def _gated(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """DINOv3's MLP: with a gate timm names both matrices that are multiplied, without one there is only the first."""
    gated = any(".mlp.gate." in name for name in tensors)
    up = ".mlp.fc1_x." if gated else ".mlp.fc1."
    return {name.replace(".mlp.up.", up).replace(".mlp.gate.", ".mlp.fc1_g."): value for name, value in tensors.items()}


def _distilled(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """DeiT without a distillation head: its second token only passes by, as a register does."""
    if "dist_token" in tensors and "head_dist.weight" not in tensors:
        tensors["reg_token"] = tensors.pop("dist_token")
    return tensors


_OPENAI_NAMES = (
    (r"class_embedding", "cls_token"),
    (r"positional_embedding", "pos_embed"),
    (r"conv1\.weight", "patch_embed.proj.weight"),
    (r"ln_pre\.(weight|bias)", r"norm_pre.\1"),
    (r"ln_post\.(weight|bias)", r"norm.\1"),
    (r"transformer\.resblocks\.(\d+)\.attn\.in_proj_(weight|bias)", r"blocks.\1.attn.qkv.\2"),
    *_blocks(
        {
            "ln_1": "norm1",
            "ln_2": "norm2",
            r"attn\.out_proj": "attn.proj",
            r"mlp\.c_fc": "mlp.fc1",
            r"mlp\.c_proj": "mlp.fc2",
        },
        place=r"transformer\.resblocks\.(\d+)\.",
    ),
)
_OPENMMLAB_NAMES = (
    (r"(cls_token|pos_embed)", r"\1"),
    (r"patch_embed\.projection\.(weight|bias)", r"patch_embed.proj.\1"),
    (r"(?:ln1|norm1|last_ln)\.(weight|bias)", r"norm.\1"),
    *_blocks(
        {
            "(?:ln1|norm1)": "norm1",
            "(?:ln2|norm2)": "norm2",
            r"attn\.qkv": "attn.qkv",
            r"attn\.proj": "attn.proj",
            r"ffn\.layers\.0\.0": "mlp.fc1",
            r"ffn\.layers\.1": "mlp.fc2",
        },
        place=r"layers\.(\d+)\.",
    ),
)
_SAM_NAMES = (
    (r"blocks\.(\d+)\.mlp\.lin([12])\.(weight|bias)", r"blocks.\1.mlp.fc\2.\3"),
    (r"((?:blocks|patch_embed|neck)\..*|pos_embed)", r"\1"),
)
_JEONSWORLD_NAMES = (
    (r"transformer\.embeddings\.cls_token", "cls_token"),
    (r"transformer\.embeddings\.position_embeddings", "pos_embed"),
    (r"transformer\.embeddings\.patch_embeddings\.(weight|bias)", r"patch_embed.proj.\1"),
    (r"transformer\.encoder\.encoder_norm\.(weight|bias)", r"norm.\1"),
    *_blocks(
        {
            "attention_norm": "norm1",
            "ffn_norm": "norm2",
            r"attn\.query": "attn.q",
            r"attn\.key": "attn.k",
            r"attn\.value": "attn.v",
            r"attn\.out": "attn.proj",
            r"ffn\.fc1": "mlp.fc1",
            r"ffn\.fc2": "mlp.fc2",
        },
        place=r"transformer\.encoder\.layer\.(\d+)\.",
    ),
    (r"head\.(weight|bias)", r"head.\1"),
)
_HEAD = ((r"classifier\.(weight|bias)", r"head.\1"),)

FAMILIES = (
    # Before DINOv3, whose embeddings have the same names.
    Family(
        "jeonsworld's ViT-pytorch",
        re.compile(r"(.*?)transformer\.encoder\.layer\.0\.attention_norm\.weight"),
        _JEONSWORLD_NAMES,
    ),
    Family(
        "transformers' DINOv3",
        re.compile(r"(.*?)embeddings\.patch_embeddings\.weight"),
        (
            *_EMBEDDINGS,
            (r"norm\.(weight|bias)", r"norm.\1"),
            *_blocks(_ATTENTION | _NAMED | _GATED),
            (_BLOCK + r"layer_scale([12])\.lambda1", r"blocks.\1.gamma_\2"),
        ),
        _HEAD,
        separate_bias=True,
        finish=_gated,
    ),
    Family(
        "transformers' DINOv2",
        re.compile(r"(.*?)(?:encoder\.)?layers?\.0\.layer_scale1\.lambda1"),
        (
            *_EMBEDDINGS,
            *_blocks(_ATTENTION | _NAMED | _GATED | {r"mlp\.weights_in": "mlp.fc1", r"mlp\.weights_out": "mlp.fc2"}),
            (_BLOCK + r"layer_scale([12])\.lambda1", r"blocks.\1.ls\2.gamma"),
        ),
        _HEAD,
        finish=_packed,
    ),
    Family(
        "transformers' BEiT",
        re.compile(r"(.*?)(?:encoder\.)?layers?\.0\.lambda_1"),
        (
            *_EMBEDDINGS,
            *_blocks(_BERT_BLOCK),
            (_BLOCK + r"lambda_([12])", r"blocks.\1.gamma_\2"),
            (_BLOCK + r".*relative_position_bias_table", r"blocks.\1.attn.relative_position_bias_table"),
            (r".*relative_position_bias_table", "rel_pos_bias.relative_position_bias_table"),
            (r"pooler\.layernorm\.(weight|bias)", r"fc_norm.\1"),
        ),
        _HEAD,
        separate_bias=True,
    ),
    Family(
        "transformers' ViT or DeiT",
        re.compile(r"(.*?)(?:encoder\.)?layers?\.0\.layernorm_before\.weight"),
        (*_EMBEDDINGS, *_blocks(_BERT_BLOCK)),
        (
            *_HEAD,
            (r"cls_classifier\.(weight|bias)", r"head.\1"),
            (r"distillation_classifier\.(weight|bias)", r"head_dist.\1"),
        ),
        finish=_distilled,
    ),
    Family(
        "transformers' CLIP",
        re.compile(r"(.*?)pre_layrnorm\.weight"),
        (*_CLIP_EMBEDDINGS, *_blocks(_CLIP_BLOCK)),
        finish=_with_axes,
    ),
    Family(
        "transformers' SigLIP",
        re.compile(r"(.*?)embeddings\.patch_embedding\.weight"),
        (
            *_CLIP_EMBEDDINGS,
            *_blocks(_CLIP_BLOCK),
            (r"head\.probe", "attn_pool.latent"),
            (r"head\.attention\.(in_proj_weight|in_proj_bias)", r"attn_pool.\1"),
            (r"head\.attention\.out_proj\.(weight|bias)", r"attn_pool.proj.\1"),
            (r"head\.layernorm\.(weight|bias)", r"attn_pool.norm.\1"),
            (r"head\.(mlp\.fc[12])\.(weight|bias)", r"attn_pool.\1.\2"),
        ),
        _HEAD,
        finish=_with_pool,
    ),
    Family(
        "OpenAI's CLIP (its own weights are those of the networks with quickgelu in their names)",
        re.compile(r"(.*?)transformer\.resblocks\.0\.attn\.in_proj_weight"),
        _OPENAI_NAMES,
        finish=_with_axes,
    ),
    Family(
        "OpenMMLab's ViT",
        re.compile(r"(.*?)layers\.0\.ffn\.layers\.0\.0\.weight"),
        _OPENMMLAB_NAMES,
        ((r"head\.fc\.(weight|bias)", r"head.\1"), (r"layers\.head\.(weight|bias)", r"head.\1")),
    ),
    Family(
        "Segment Anything",
        re.compile(r"(.*?image_encoder\.)blocks\.0\.attn\.rel_pos_h"),
        _SAM_NAMES,
    ),
    Family(
        "torchvision's ViT",
        re.compile(r"(.*?)encoder\.layers\.encoder_layer_0\.ln_1\.weight"),
        (
            (r"class_token", "cls_token"),
            (r"encoder\.pos_embedding", "pos_embed"),
            (r"conv_proj\.(weight|bias)", r"patch_embed.proj.\1"),
            (r"encoder\.ln\.(weight|bias)", r"norm.\1"),
            (r"heads\.head\.(weight|bias)", r"head.\1"),
            (r"encoder\.layers\.encoder_layer_(\d+)\.self_attention\.in_proj_(weight|bias)", r"blocks.\1.attn.qkv.\2"),
            *_blocks(
                {
                    "ln_1": "norm1",
                    "ln_2": "norm2",
                    r"self_attention\.out_proj": "attn.proj",
                    # Older releases number the layers of the MLP, newer ones name them.
                    r"mlp\.(?:linear_1|0)": "mlp.fc1",
                    r"mlp\.(?:linear_2|3)": "mlp.fc2",
                },
                place=r"encoder\.layers\.encoder_layer_(\d+)\.",
            ),
        ),
    ),
)
