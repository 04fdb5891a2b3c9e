"""Time presto against the transform network of Johnson et al. 2016, as system D has it: one picture of 512 x 512.

    python training/speed.py [--rounds 15]

Everything runs in this process, in turns, and the medians are printed as Markdown. The style's moments are known
beforehand, as a trained transform network knows its style.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from impasto.figures import DEMO
from impasto.options import StylizeOptions
from impasto.stylizer import Stylizer


def convolution(into: int, out: int, size: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(into, out, size, stride, size // 2, padding_mode="reflect"), nn.InstanceNorm2d(out, affine=True)]


def enlarging(into: int, out: int) -> list[nn.Module]:
    return [nn.ConvTranspose2d(into, out, 3, 2, 1, output_padding=1), nn.InstanceNorm2d(out, affine=True), nn.ReLU()]


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inside = nn.Sequential(*convolution(channels, channels, 3), nn.ReLU(), *convolution(channels, channels, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.inside(x)


def transform_net() -> nn.Module:
    """9x9 to 32, two halvings to 64 and 128, five residual blocks, two transposed convolutions, 9x9 to 3, tanh."""
    return nn.Sequential(
        *convolution(3, 32, 9), nn.ReLU(),
        *convolution(32, 64, 3, 2), nn.ReLU(),
        *convolution(64, 128, 3, 2), nn.ReLU(),
        *(Residual(128) for _ in range(5)),
        *enlarging(128, 64), *enlarging(64, 32),
        nn.Conv2d(32, 3, 9, padding=4, padding_mode="reflect"), nn.Tanh(),
    )  # fmt: skip


def candidates() -> dict[str, Callable[[], object]]:
    """What is timed, by name: calls that paint one picture."""
    picture = torch.rand(1, 3, 512, 512)
    network = transform_net().eval().requires_grad_(False)
    calls: dict[str, Callable[[], object]] = {
        "TransformNet, torch in float32": lambda: network(picture),
    }
    for engine, precision in (("torch", "float32"), ("torch", "bfloat16"), ("openvino", "auto")):
        stylizer = Stylizer(StylizeOptions(engine=engine, precision=precision))  # type: ignore[arg-type]
        calls[f"presto, {stylizer.engine}"] = lambda stylizer=stylizer: stylizer.paint(picture, DEMO / "swirl.jpg")
    return calls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    calls = candidates()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for round in range(args.rounds + 2):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            if round >= 2:  # the first ones warm up
                seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    slowest = medians["TransformNet, torch in float32"]
    print(f"| 512 x 512, {torch.get_num_threads()} threads | seconds | against TransformNet |\n| --- | --- | --- |")
    for name, median in medians.items():
        print(f"| {name} | {median:.3f} | {slowest / median:.1f} times |")


if __name__ == "__main__":
    main()
