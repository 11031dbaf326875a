"""ViT-B/16 at 384, as fast as it goes: against its own limit, a plain loop, and the report's own way."""

import itertools
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import timm
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from gpu.bench import Bench
from gpu.clock import synchronize
from gpu.ours import OurLoop
from gpu.peak import matrix_peak
from gpu.pictures import CLASSES, jpegs
from gpu.profile import losses
from gpu.recipes import TINY, recipe
from vitbench.runs.estimates import note_memory
from vitbench.training.device import describe_device


def run(bench: Bench) -> None:
    device = bench.device()
    steps, warm = (4, 2) if bench.small else (48, 8)
    peak = matrix_peak(bench, device)
    chosen = recipe(bench, jpegs(bench))
    loop = OurLoop(bench, chosen, device)
    flops = 3 * forward_flops(loop.task.network.module, chosen)
    bench.note("training, of one picture", flops / 1e9, "GFLOP")
    start = time.perf_counter()
    loop.measure(warm=1, steps=1)
    bench.note("first two steps, with compilation", time.perf_counter() - start, "s")

    ours = loop.measure(warm=warm, steps=steps)
    share = ours.pictures * flops / peak / 1e12
    bench.note("vitbench, from the cache", ours.pictures, "pictures/s")
    bench.note("share of the measured peak", 100 * share, "%")
    bench.note("data wait", 100 * ours.data_wait, "%")
    if device.type == "cuda":
        reserved = torch.cuda.max_memory_reserved(device)
        bench.note("peak memory, allocated", torch.cuda.max_memory_allocated(device) / 2**30, "GiB")
        bench.note("peak memory, reserved", reserved / 2**30, "GiB")
        note_memory(bench.store, chosen, reserved, describe_device(device))
        bench.goal("data wait below 2%", ours.data_wait < 0.02, f"{ours.data_wait:.2%}")
        bench.goal("40% of the measured peak", share >= 0.4, f"{share:.1%} of {peak:.0f} TFLOP/s")

    fixed = with_fixed_batch(loop, device)
    limit = loop.measure(warm=warm, steps=steps).pictures
    bench.note("vitbench, one batch again and again (the limit)", limit, "pictures/s")
    bench.note("of the limit", 100 * ours.pictures / limit, "%")
    losses(bench, loop, peak, flops)
    loop.close()
    pixels, labels = fixed
    size = chosen.train.batch_size
    del loop, fixed
    if device.type == "cuda":
        torch.cuda.empty_cache()

    module = report_module(bench).to(device)
    alone = report_rate(module, fixed_report_batches(bench, device), device, bench, steps=steps)
    bench.note("the report's module in fp32, batches of 4, one batch again and again", alone, "pictures/s")
    with_data = report_rate(module, report_batches(bench, device, size), device, bench, steps=steps)
    bench.note("the report's own way: the same from its files, 8 loader processes", with_data, "pictures/s")
    ratio = ours.pictures / with_data
    bench.note("vitbench against the report's own way", ratio, "times")
    if device.type == "cuda":
        bench.goal("at least 10 times the report's own way", ratio >= 10, f"{ratio:.1f} times")
    del module

    plain = plain_rate(bench, chosen, pixels, labels, device, steps=steps, warm=warm)
    bench.note("plain timm module in a plain loop, one batch again and again", plain, "pictures/s")
    bench.note("vitbench's limit against it", limit / plain, "times")


def forward_flops(module: nn.Module, chosen: Any) -> float:
    """Of one picture: multiplications and additions of the products of a plain ViT."""
    vit: Any = module
    width, depth = vit.embed_dim, len(vit.blocks)
    side = chosen.model.image_size // vit.patch_embed.patch_size[0]
    patches, patch_values = side * side, vit.patch_embed.proj.weight[0].numel()
    tokens = patches + vit.num_prefix_tokens
    block = 24 * tokens * width**2 + 4 * tokens**2 * width
    return float(depth * block + 2 * patches * patch_values * width + 2 * width * vit.num_classes)


def with_fixed_batch(loop: OurLoop, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Lets the loop see one batch on the device for ever; its pixels and labels."""
    batch: Any = next(iter(loop.task.batches(0, 0, loop.training.batch_size)))
    synchronize(device)
    loop.task.batches = lambda epoch, first_batch, batch_size: itertools.repeat(batch)  # type: ignore[method-assign]  # one batch for ever is what is measured
    return batch.pixels, batch.labels


def plain_rate(
    bench: Bench,
    chosen: Any,
    pixels: torch.Tensor,
    labels: torch.Tensor,
    device: torch.device,
    *,
    steps: int,
    warm: int,
) -> float:
    """The loop that everybody writes, with the same network, number format, compiler and optimizer."""
    options = {"img_size": 32, **TINY} if bench.small else {}
    name = chosen.model.name.removeprefix("timm:")
    model = timm.create_model(name, num_classes=CLASSES, **options).to(device).train()
    if chosen.train.compile:
        model = torch.compile(model, dynamic=False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.05, fused=True)
    start = 0.0
    for step in range(warm + steps):
        if step == warm:
            synchronize(device)
            start = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast(device.type, dtype=torch.bfloat16):
            loss = F.cross_entropy(model(pixels), labels)
        loss.backward()
        optimizer.step()
    synchronize(device)
    return steps * len(labels) / (time.perf_counter() - start)


def report_module(bench: Bench) -> nn.Module:
    """pytorch_pretrained_vit's own, with random weights."""
    from pytorch_pretrained_vit import ViT
    from pytorch_pretrained_vit.configs import PRETRAINED_MODELS

    name = "B_16_imagenet1k"
    if bench.small:
        PRETRAINED_MODELS[name]["config"] |= {"dim": 32, "ff_dim": 64, "num_heads": 2, "num_layers": 2}
    side = 32 if bench.small else 384
    return ViT(name, pretrained=False, image_size=side, num_classes=CLASSES).train()


def fixed_report_batches(bench: Bench, device: torch.device) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """One batch of 4 on the device, for ever."""
    side = 32 if bench.small else 384
    return itertools.repeat((torch.randn(4, 3, side, side, device=device), torch.arange(4, device=device)))


def report_batches(bench: Bench, device: torch.device, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The student's pipeline on the files; with loader processes, which the report does not mention."""
    side = 32 if bench.small else 384
    pipeline = transforms.Compose(
        [
            transforms.Resize((side, side)),
            transforms.AutoAugment(),
            transforms.ToTensor(),
            transforms.Normalize((0.5,) * 3, (0.5,) * 3),
        ]
    )
    data = datasets.ImageFolder(str(jpegs(bench) / "train"), pipeline)
    workers = 0 if bench.small else 8
    for pixels, labels in DataLoader(data, batch_size=4, shuffle=True, num_workers=workers):
        yield pixels.to(device), labels.to(device)


def report_rate(module: nn.Module, batches: Iterator[Any], device: torch.device, bench: Bench, *, steps: int) -> float:
    """Pictures a second of the student's loop: fp32, SGD, batches of 4, and a look at the loss at each."""
    steps, warm = (2, 1) if bench.small else (3 * steps, 20)
    optimizer = torch.optim.SGD(module.parameters(), lr=3e-4, momentum=0.9)
    start = 0.0
    with suppress(StopIteration):
        for step in range(warm + steps):
            if step == warm:
                synchronize(device)
                start = time.perf_counter()
            pixels, labels = next(batches)
            optimizer.zero_grad()
            loss = F.cross_entropy(module(pixels), labels)
            loss.backward()
            optimizer.step()
            loss.item()
    synchronize(device)
    return steps * 4 / (time.perf_counter() - start)
