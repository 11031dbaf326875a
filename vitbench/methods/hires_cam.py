"""HiResCAM on tokens (Draelos and Carin 2020): without attention maps, so windowed and pyramidal networks have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitbench.methods.base import Method

if TYPE_CHECKING:
    from vitbench.attention.result import MethodResult
    from vitbench.attention.subject import Subject

METHOD = Method(
    name="hires_cam",
    title="Token HiResCAM",
    summary="the last block's input times its gradient, element by element (Draelos and Carin 2020)",
    compute="vitbench.methods.hires_cam:hires_cam",
    needs_attention=False,
    may_be_empty=True,
    order=62,
)


def hires_cam(subject: Subject) -> MethodResult:
    """relu(sum_c g_c x_c) of each patch: x the input of the last block, g the gradient of the target logit there.

    Grad-CAM takes the mean of g over the patches first. That suits a convolution's channels; here each patch speaks to
    the class token by itself, and the mean says what none of them does.
    """
    from vitbench.attention.result import MethodResult
    from vitbench.attribution.last_block import last_block_tokens

    tokens, gradients, logits = last_block_tokens(subject)
    return MethodResult((gradients * tokens).sum(dim=-1).clamp(min=0), logits)
