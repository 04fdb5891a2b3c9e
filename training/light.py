"""Train the base from which `impasto train` starts, so that a style of one's own takes minutes.

    python training/light.py --data DATA --out runs/light --export impasto/assets/light.safetensors

DATA holds `photos/` and `paintings/`. The base is the light transform network together with a reader, which guesses a
style's row of scales and shifts from the statistics of its picture. Both learn together, every sample of a batch in a style
of its own; one in eight has the photo's own row and has to come back as it was. The loss is that of `impasto train`. A run
that was stopped continues where its checkpoint is.
"""

import argparse
import json
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from pictures import center_crops, random_crop, read_folder, split
from resume import HALF, PRECISION, learning_rate, load_checkpoint, save_checkpoint
from safetensors.torch import save_file
from torch import Tensor, nn

from impasto import backbones, images, losses, networks, saving, variations
from impasto.backbones import Backbone
from impasto.distances import Normal
from impasto.transform import PLANS, Reader, TransformNet, read, read_file

PLAN = PLANS["light"]
LOSS_LAYERS = {f"relu{block}_1": 1.0 for block in range(1, 6)}
STYLE = losses.style_loss(LOSS_LAYERS, "wasserstein", "relative", "none")
CONTENT = losses.content_loss({"relu4_2": 1.0}, "relative")
LAYERS = (*LOSS_LAYERS, "relu4_2")
NEAREST = 0.1  # of a style's extent: a photo that is nearer counts as being so far
STYLE_SIZE = 448  # pixels: longer side of a painting
HELD = 16  # every so many paintings are not trained on

Target = dict[str, Normal]


class Known(NamedTuple):
    """What is known of a style: what the reader reads, (1, numbers), and what the loss compares with."""

    numbers: Tensor
    target: Target


class Base(nn.Module):
    """The network, whose one row is the photo's, and the reader of styles."""

    def __init__(self) -> None:
        super().__init__()
        self.network = TransformNet(PLAN)
        self.reader = Reader(PLAN)

    def forward(self, photos: Tensor, numbers: Tensor, itself: Tensor) -> Tensor:
        """itself: (N,), 1 where the photo is to come back."""
        rows = self.reader(numbers, self.network.plain())
        rows = torch.where(itself.unsqueeze(1) > 0, self.network.styles, rows)
        with torch.autocast("cpu", torch.bfloat16, enabled=HALF):
            return self.network(photos, rows).float()


def known(backbone: Backbone, encoder: Backbone, painting: Tensor) -> Known:
    """What is known of a painting (3, H, W) uint8."""
    image = images.resize(painting[None].float() / 255, STYLE_SIZE)
    with torch.no_grad():
        return Known(read(encoder, image), STYLE.target(backbone(image, tuple(LOSS_LAYERS))))


def gather(styles: list[Known]) -> Known:
    """Several styles as a batch."""
    targets = [style.target for style in styles]
    joined = {
        layer: Normal(*map(torch.cat, zip(*(target[layer] for target in targets), strict=True)))
        for layer in LOSS_LAYERS
    }
    return Known(torch.cat([style.numbers for style in styles]), joined)


def step_losses(
    base: Base, backbone: Backbone, photos: Tensor, styles: Known, itself: Tensor, args: argparse.Namespace
) -> dict[str, Tensor]:
    """Weighted terms (N,) of one batch."""
    with torch.no_grad():
        content = backbone(photos, LAYERS)
        before = STYLE.by_layer(content, styles.target)
    picture = base(photos, styles.numbers, itself)
    features = backbone(picture, LAYERS)
    reached = STYLE.by_layer(features, styles.target)
    shares = torch.stack([reached[layer] / before[layer].clamp_min(NEAREST) for layer in LOSS_LAYERS]).mean(0)
    return {
        "style": (1 - itself) * shares,
        "content": args.content_weight * CONTENT(features, CONTENT.target(content)),
        "variation": args.tv_weight * variations.squared_variation(picture),
        "photo": 20 * itself * (picture - photos).square().mean((1, 2, 3)),
    }


@torch.no_grad()
def sheet(base: Base, photos: Tensor, paintings: Tensor, styles: list[Known], path: Path) -> None:
    """Held-out photos (down) in held-out styles (across), with the originals at the edges."""
    rows = [torch.cat((torch.ones_like(paintings[:1]), paintings))]
    for photo in photos:
        count = len(styles)
        painted = base(photo.expand(count, -1, -1, -1), gather(styles).numbers, torch.zeros(count))
        rows.append(torch.cat((photo[None], painted)))
    saving.save(torch.cat([torch.cat(list(row), 2) for row in rows], 1)[None].clamp(0, 1), path)


def train(args: argparse.Namespace, backbone: Backbone) -> Base:
    """Train, or continue from the checkpoint in `args.out`; the log is one JSON object a line."""
    args.out.mkdir(parents=True, exist_ok=True)
    photos, held_photos = split(read_folder(args.data / "photos", 400), every=20)
    paintings, held_paintings = split(read_folder(args.data / "paintings", 512), every=HELD)
    # every painting twice, once with its color channels exchanged: palettes that no painter of ours used
    order = np.random.default_rng(args.seed)
    encoder, _ = networks.presto(PRECISION)
    styles = [known(backbone, encoder, one) for one in paintings]
    styles += [known(backbone, encoder, one[order.permutation(3)]) for one in paintings]
    shown = held_paintings[1:19:3]
    examples = (
        center_crops(held_photos[3:70:22], 256),
        center_crops(shown, 256),
        [known(backbone, encoder, one) for one in shown],
    )
    torch.manual_seed(args.seed)
    base = Base()
    optimizer = torch.optim.Adam(base.parameters(), lr=args.rate)
    checkpoint = args.out / "checkpoint.pt"
    if args.begin and not checkpoint.exists():
        base.load_state_dict({key: value.float() for key, value in read_file(args.begin)[1].items()})
    start = load_checkpoint(checkpoint, base, optimizer)
    sums: dict[str, list[float]] = {}
    began = time.monotonic()
    with (args.out / "log.jsonl").open("a", buffering=1) as log:
        for step in range(start, args.steps):
            # every step draws from its own seed, so a run that continues sees what it would have seen
            random = np.random.default_rng((args.seed, step))
            crops = [random_crop(photos[random.integers(len(photos))], args.size, random) for _ in range(args.batch)]
            chosen = gather([styles[random.integers(len(styles))] for _ in range(args.batch)])
            itself = torch.from_numpy(random.random(args.batch) < 1 / 8).float()
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, args.hold, args.steps, args.rate, warm_up=100)
            parts = step_losses(base, backbone, torch.stack(crops), chosen, itself, args)
            loss = torch.stack([part.mean() for part in parts.values()]).sum()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(base.parameters(), 1.0)
            optimizer.step()
            for name, part in parts.items():
                sums.setdefault(name, []).append(part.mean().item())
            if step % 50 == 49:
                means = {name: round(float(np.mean(values)), 5) for name, values in sums.items()}
                print(json.dumps({"step": step + 1, "seconds": round(time.monotonic() - began), **means}), file=log)
                sums = {}
            if step % args.save_every == args.save_every - 1 or step == args.steps - 1:
                save_checkpoint(checkpoint, base, optimizer, step + 1)
                sheet(base, *examples, args.out / "sheet.jpg")
    return base


def export(base: Base, path: Path) -> None:
    """Network and reader in one file of half precision."""
    tensors = {key: value.half().contiguous() for key, value in base.state_dict().items()}
    save_file(tensors, path, metadata={"network": "light", "license": "MIT"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with photos/ and paintings/")
    parser.add_argument("--out", type=Path, default=Path("runs/light"), help="folder of checkpoint.pt and log.jsonl")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, default=192, help="edge of a training crop in pixels")
    parser.add_argument("--rate", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--hold", type=int, default=3000, help="step from which the learning rate falls")
    parser.add_argument("--content-weight", type=float, default=0.1)
    parser.add_argument("--tv-weight", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save-every", type=int, default=250, help="steps between two checkpoints and sheets")
    parser.add_argument("--begin", type=Path, help="a file that was exported, to be trained further")
    parser.add_argument("--export", type=Path, help="write the shipped file here after training")
    args = parser.parse_args()
    base = train(args, backbones.load("petit", dtype=PRECISION))
    if args.export:
        export(base, args.export)


if __name__ == "__main__":
    main()
