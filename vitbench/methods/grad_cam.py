"""Grad-CAM on the last block's attention, as in Chefer et al. 2021a."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitbench.methods.base import Method

if TYPE_CHECKING:
    from vitbench.attention.result import MethodResult
    from vitbench.attention.subject import Subject

METHOD = Method(
    name="grad_cam",
    title="Attention Grad-CAM",
    summary="the last block's attention, each head weighted by its mean gradient (Chefer et al., CVPR 2021)",
    compute="vitbench.methods.grad_cam:grad_cam",
    may_be_empty=True,
    order=60,
)


def grad_cam(subject: Subject) -> MethodResult:
    """The reading row of each head, weighted by the mean of that row's gradient over the patches; the mean over heads,
    cut at 0. Zeros where nothing speaks for the class."""
    import torch

    from vitbench.attention.result import MethodResult
    from vitbench.attention.subject import reading_row, sorted_layers
    from vitbench.models.attention_hooks import AttentionHooks, whole
    from vitbench.models.inference import require_gradient

    subject.require_global_attention()
    with torch.enable_grad():
        with AttentionHooks(subject.module, whole) as hooks:
            logits = subject.module(require_gradient(subject.pixels))
        layers = sorted_layers(subject, hooks.calls)
        attention = layers.blocks[-1].kept
        (gradient,) = torch.autograd.grad(subject.score(logits), attention)
    start = reading_row(subject, layers).detach()[:, None, None, :]
    row, slope = (start @ attention.detach()).squeeze(2), (start @ gradient).squeeze(2)
    prefix = subject.backbone.num_prefix_tokens
    weights = slope[:, :, prefix:].mean(dim=-1, keepdim=True)
    return MethodResult(subject.patches((weights * row).mean(dim=1).clamp(min=0)), logits.detach())
