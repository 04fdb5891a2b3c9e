"""A trained network as a web page: one file with the network, what runs it and nothing to load from anywhere.

The page knows four kinds of steps and paints by a list of them; so does `run`, with torch, by which a list is checked.
WebGL 2 computes: every feature map is one texture with four channels in a pixel, its groups of four channels side by side.
"""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.shipped import ASSETS
from impasto.transform import Enlarge, TransformNet

GROUP = 4  # channels in a pixel
Step = Mapping[str, Any]


def steps(network: TransformNet) -> Iterator[Step]:
    """What the network does, in order: "keep", "conv", "norm" and "add", as plain data with the convolutions' weights."""
    for conv in network.enter:
        yield convolution(conv)
        yield {"step": "norm", "channels": conv.out_channels, "relu": True}
    for block in network.blocks:
        one, two = block.children()
        yield {"step": "keep"}
        yield convolution(one)
        yield {"step": "norm", "channels": one.out_channels, "relu": True}
        yield convolution(two)
        yield {"step": "norm", "channels": two.out_channels, "relu": False}
        yield {"step": "add"}
    for enlarge in network.leave:
        assert isinstance(enlarge, Enlarge)
        yield convolution(enlarge.conv, "spread" if enlarge.transposed else "enlarge")
        yield {"step": "norm", "channels": enlarge.conv.out_channels, "relu": True}
    yield convolution(network.picture)


def convolution(conv: nn.Module, reads: str = "mirror") -> Step:
    """A convolution as a step.

    reads: what the kernel meets. "mirror": the picture, mirrored at its edges; "enlarge": the same at twice the size;
    "spread": its pixels with zeros between and around them, which makes a transposed convolution an ordinary one.
    """
    assert isinstance(conv, nn.Conv2d | nn.ConvTranspose2d)
    weights = conv.weight.transpose(0, 1).flip(2, 3) if isinstance(conv, nn.ConvTranspose2d) else conv.weight
    stride = 1 if isinstance(conv, nn.ConvTranspose2d) else conv.stride[0]
    return {"step": "conv", "reads": reads, "stride": stride, "weights": weights.half(), "bias": conv.bias}


def run(network: Sequence[Step], photo: Tensor, row: Tensor) -> Tensor:
    """The list of steps as the page takes them. photo: (1, 3, H, W) in [0, 1]; row: (1, P); -> (1, 3, H, W) in [0, 1]."""
    scales, shifts = (iter(part[0].split([step["channels"] for step in network if step["step"] == "norm"]))
                      for part in row.chunk(2, dim=1))  # fmt: skip
    x, kept = photo * 2 - 1, photo
    for step in network:
        if step["step"] == "keep":
            kept = x
        elif step["step"] == "add":
            x = x + kept
        elif step["step"] == "norm":
            x = F.instance_norm(x) * next(scales).view(1, -1, 1, 1) + next(shifts).view(1, -1, 1, 1)
            x = F.relu(x) if step["relu"] else x
        else:
            x = F.conv2d(surrounded(x, step), step["weights"].float(), step["bias"], step["stride"])
    return (torch.tanh(x) * 0.5 + 0.5)[:, :, : photo.shape[2], : photo.shape[3]]


def surrounded(x: Tensor, step: Step) -> Tensor:
    """What a convolution's kernel meets."""
    margin = step["weights"].shape[2] // 2
    if step["reads"] == "spread":
        spread = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
        spread[:, :, ::2, ::2] = x
        return F.pad(spread, (margin,) * 4)
    if step["reads"] == "enlarge":
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
    return F.pad(x, (margin,) * 4, mode="reflect")


def page(network: Sequence[Step], rows: Sequence[Tensor], title: str, strength: float) -> str:
    """The page, whole. rows: of the style and, where the network has it, of the photo, between which strength goes."""
    channels = [step["channels"] for step in network if step["step"] == "norm"]
    described, numbers, start = [], [], 0
    for step in network:
        if step["step"] != "conv":
            described.append(dict(step))
            continue
        out, into, size, _ = step["weights"].shape
        packed, bias = in_groups(step["weights"]), grouped(torch.zeros(out) if step["bias"] is None else step["bias"])
        numbers.append(packed)
        described.append({"step": "conv", "reads": step["reads"], "stride": step["stride"], "kernel": size, "into": into,
                          "out": out, "start": start // GROUP, "bias": bias.tolist()})  # fmt: skip
        start += packed.numel()
    values = {
        "title": title,
        "strength": strength,
        "steps": described,
        "rows": [
            [[grouped(part).tolist() for part in half[0].split(channels)] for half in row.chunk(2, 1)] for row in rows
        ],
        "weights": base64.b64encode(
            torch.cat([part.flatten() for part in numbers]).numpy().astype("<f2").tobytes()
        ).decode(),
    }
    template = (ASSETS / "page.html").read_text(encoding="utf-8")
    return template.replace("/*NETWORK*/null", json.dumps(values).replace("<", "\\u003c"))


def grouped(numbers: Tensor) -> Tensor:
    """(C,) filled up with zeros to whole groups."""
    return F.pad(numbers.detach().float(), (0, -numbers.shape[0] % GROUP))


def in_groups(weights: Tensor) -> Tensor:
    """(O, I, K, K) -> in the order that the page reads: (O / 4, K, K, I / 4, 4 into, 4 out), filled up with zeros."""
    out, into, size, _ = weights.shape
    filled = F.pad(weights.detach(), (0, 0, 0, 0, 0, -into % GROUP, 0, -out % GROUP))
    parts = filled.view(-(-out // GROUP), GROUP, -(-into // GROUP), GROUP, size, size)
    return parts.permute(0, 4, 5, 2, 3, 1).contiguous()
