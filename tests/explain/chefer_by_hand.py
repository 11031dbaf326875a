"""Transformer attribution written out layer by layer, without attention hooks: what the tests compare with.

Relevance goes backward by explicit formulas; only the gradients of the attention come from autograd.
Switches turn single rules wrong, for controls that must fail.
"""

import torch
import torch.nn.functional as F


def divide(a, b):
    return torch.where(b == 0, torch.zeros_like(b), a / (b + 1e-9))


def linear(relevance, x, layer, biases):
    plus, minus = layer.weight.clamp(min=0), layer.weight.clamp(max=0)
    x_plus, x_minus = x.clamp(min=0), x.clamp(max=0)
    z = x_plus @ plus.T + x_minus @ minus.T + (layer.bias if biases else 0)
    s = divide(relevance, z)
    return x_plus * (s @ plus) + x_minus * (s @ minus)


def residual(relevance, a, b):
    s = divide(relevance, a + b)
    parts = []
    sums = [(part * s).sum() for part in (a, b)]
    for part, total in zip((a, b), sums, strict=True):
        share = divide(total.abs(), sums[0].abs() + sums[1].abs()) * relevance.sum()
        parts.append(part * s * divide(share, total))
    return parts


def chefer_by_hand(module, pixels, target, start_layer=0, halves=True, biases=False, normalise=False):
    """The map [T] of one picture [1, 3, H, W] for a timm VisionTransformer with a class token."""
    half = 0.5 if halves else 1.0
    x = module.patch_embed(pixels)
    x = torch.cat([module.cls_token, x], dim=1) + module.pos_embed
    seen = []
    for block in module.blocks:
        state = {"x": x, "normed": block.norm1(x)}
        heads = block.attn.num_heads
        qkv = block.attn.qkv(state["normed"])
        q, k, v = qkv.unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-2, -1)
        attention = (scores * q.shape[-1] ** -0.5).softmax(-1)
        attention.retain_grad()
        mixed = attention @ v
        merged = mixed.transpose(1, 2).flatten(2)
        a = block.attn.proj(merged)
        middle = x + a
        normed2 = block.norm2(middle)
        hidden = F.gelu(block.mlp.fc1(normed2))
        m = block.mlp.fc2(hidden)
        state |= {"q": q, "k": k, "v": v, "scores": scores, "attention": attention, "mixed": mixed}
        state |= {"merged": merged, "a": a, "middle": middle, "normed2": normed2, "hidden": hidden, "m": m}
        x = middle + m
        seen.append(state)
    final = module.norm(x)
    logits = module.head(final[:, 0])
    logits[0, target].backward()
    with torch.no_grad():
        relevance = F.one_hot(torch.tensor([target]), logits.shape[1]).to(logits.dtype)
        top = linear(relevance, final[:, 0], module.head, biases)
        relevance = torch.zeros_like(x)
        relevance[:, 0] = top
        maps = []
        for block, state in zip(reversed(module.blocks), reversed(seen), strict=True):
            through, branch = residual(relevance, state["middle"], state["m"])
            branch = linear(branch, state["hidden"], block.mlp.fc2, biases)
            branch = linear(branch, state["normed2"], block.mlp.fc1, biases)
            relevance = through + branch
            through, branch = residual(relevance, state["x"], state["a"])
            branch = linear(branch, state["merged"], block.attn.proj, biases)
            branch = branch.unflatten(2, (block.attn.num_heads, -1)).transpose(1, 2)
            s = divide(branch, state["mixed"])
            to_attention = half * state["attention"] * (s @ state["v"].transpose(-2, -1))
            to_v = half * state["v"] * (state["attention"].transpose(-2, -1) @ s)
            maps.append((to_attention * state["attention"].grad).clamp(min=0).mean(1)[0])
            s = divide(to_attention, state["scores"])
            to_q, to_k = half * state["q"] * (s @ state["k"]), half * state["k"] * (s.transpose(-2, -1) @ state["q"])
            stacked = torch.stack([to_q, to_k, to_v], dim=2).permute(0, 3, 2, 1, 4).flatten(2)
            relevance = through + linear(stacked, state["normed"], block.attn.qkv, biases)
        product = torch.eye(x.shape[1], dtype=x.dtype)
        for attention in list(reversed(maps))[start_layer:]:
            layer = attention + torch.eye(x.shape[1], dtype=x.dtype)
            product = (layer / layer.sum(-1, keepdim=True) if normalise else layer) @ product
        return product[0, 1:]
