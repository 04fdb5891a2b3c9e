"""Train presto, the network that ships with impasto and paints in any style at once.

    python training/presto.py --data DATA --out runs/presto

DATA holds `photos/` and `paintings/`. The encoder is frozen: presto's own, four blocks of petit's first edition. petit
judges (in the shipped run it was the first edition as well); only the decoder learns. A run that was stopped continues
where its checkpoint is. `--export FILE` writes the half-precision file that ships, `--evaluate` prints how near its
pictures of held-out photos come to held-out styles, as a table.

Each sample is a photo and a style. The loss is much as impasto's painter has it: Wasserstein-2 distances of petit's
statistics, as shares of the photo's own distance, plus the relative squared distance of relu4_2. One sample in eight has
its own photo as style (strength 0) and has to come back as it was.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from pictures import center_crops, jitter, random_crop, read_folder, split
from resume import HALF, PRECISION, learning_rate, load_checkpoint, save_checkpoint
from safetensors.torch import save_file
from torch import Tensor, nn

from impasto import backbones, losses, networks, saving, variations
from impasto.backbones import Backbone
from impasto.images import resize_to
from impasto.networks import TAPS, Decoder, style_of, transport
from impasto.options import StylizeOptions
from impasto.scene import Picture, View
from impasto.statistics import Moments
from impasto.stylizer import Stylizer
from impasto.transform import read_file

STYLE_LAYERS = {f"relu{block}_1": 1.0 for block in range(1, 6)}
NEAREST = 0.1  # of a style's extent: a photo that is nearer counts as being so far
STYLE = losses.style_loss(STYLE_LAYERS, "wasserstein", "relative", "none")
CONTENT = losses.content_loss({"relu4_2": 1.0}, "relative")
# reach of a pass alone, of that before, and of the one that learns after it; `presto.REACH`, in use, was chosen afterwards
ALONE, FIRST, OTHER = 1.1, 1.2, 1.4
BEFORE = ("nothing", "coarse", "whole")  # the pass, if any, that has painted a photo before the one that learns
JUDGED = (*STYLE_LAYERS, "relu4_2")


class Frozen(NamedTuple):
    """The networks that do not learn: what presto sees with, and what its pictures are judged by."""

    encoder: Backbone
    critic: Backbone


def frozen(dtype: torch.dtype = PRECISION) -> Frozen:
    """Both as they ship."""
    return Frozen(networks.presto(dtype)[0], backbones.load("petit", dtype=dtype))


def hue(image: Tensor, random: np.random.Generator) -> Tensor:
    """Channels in another order, for a third of the pictures: palettes that no painter of ours used."""
    return image[random.permutation(3)] if random.random() < 1 / 3 else image


def style_crop(data: "Data", size: int, random: np.random.Generator) -> Tensor:
    """(3, size, size): a painting in nine cases of ten, otherwise a photo."""
    pictures = data.paintings if random.random() < 0.9 else data.photos
    crop = random_crop(pictures[random.integers(len(pictures))], size, random)
    return jitter(hue(crop, random), random).clamp(0, 1)


class Data:
    """Photographs and paintings for training, and the held-out ones as center crops."""

    def __init__(self, folder: Path) -> None:
        self.photos, held_photos = split(read_folder(folder / "photos", 400), every=20)
        self.paintings, held_paintings = split(read_folder(folder / "paintings", 512), every=16)
        self.held_photos = center_crops(held_photos[3:70:11], 320)
        self.held_paintings = center_crops(held_paintings[1:19:3], 320)


@torch.no_grad()
def rows_of(encoder: Backbone, pictures: Tensor) -> list[Tensor]:
    """The taps as presto has them, (N, H, W, C)."""
    features = encoder(pictures, TAPS)
    return [features[layer].permute(0, 2, 3, 1) for layer in TAPS]


@torch.no_grad()
def judged(critic: Backbone, pictures: Tensor) -> dict[str, Tensor]:
    """The features that the losses compare."""
    return critic(pictures, JUDGED)


def painted(decoder: Decoder, rows: list[Tensor], aim: dict[str, Moments], reach: float = 1.0) -> Tensor:
    """The network's picture, float32 (N, 3, H, W), of a photo's rows, carried so far to the aim's moments."""
    with torch.no_grad():
        maps, goal = transport(style_of(rows), aim, reach)
        moved = [carried.apply(row).permute(0, 3, 1, 2) for carried, row in zip(maps, rows, strict=True)]
    with torch.autocast("cpu", torch.bfloat16, enabled=HALF):
        return decoder(moved, decoder.modulation(goal)).float()


@torch.no_grad()
def begun(decoder: Decoder, encoder: Backbone, photos: Tensor, styles: Tensor, before: str) -> Tensor:
    """Photos as the pass that learns is given them: see `BEFORE`."""
    if before == "nothing":
        return photos
    small = before == "coarse"
    seen, shown = (halved(photos), halved(styles)) if small else (photos, styles)
    known = style_of(rows_of(encoder, shown))
    picture = painted(decoder, rows_of(encoder, seen), known, FIRST).clamp(0, 1)
    return enlarged(picture, photos) if small else picture


def halved(pictures: Tensor) -> Tensor:
    """(N, 3, H, W) at half the size: what is painted there has strokes twice as broad."""
    height, width = pictures.shape[2:]
    return resize_to(pictures, (height // 2, width // 2))


def enlarged(painted: Tensor, photos: Tensor) -> Tensor:
    """What was painted of halved photos, as large as the photos (N, 3, H, W), with the detail that halving cost them."""
    (*_, height, width), (*_, low, narrow) = photos.shape, painted.shape
    detail = photos - resize_to(resize_to(photos, (low, narrow)), (height, width))
    return (resize_to(painted, (height, width)) + detail).clamp(0, 1)


def style_distance(features: dict[str, Tensor], content: dict[str, Tensor], target: dict[str, Any]) -> Tensor:
    """Mean over layers of the distance to the style, as a share of the photo's own; (N,).

    Without the shares the deepest layer, whose distances are the largest, would be all that is learnt.
    """
    with torch.no_grad():
        before = STYLE.by_layer(content, target)
    reached = STYLE.by_layer(features, target)
    return torch.stack([reached[layer] / before[layer].clamp_min(NEAREST) for layer in STYLE_LAYERS]).mean(0)


def step_losses(
    decoder: Decoder,
    eyes: Frozen,
    photos: Tensor,
    styles: Tensor,
    itself: Tensor,
    before: str,
    args: argparse.Namespace,
) -> dict[str, Tensor]:
    """Weighted terms (N,) of one batch. `itself` (N,) is 1 where a photo is its own style, 0 elsewhere.

    before: one of `BEFORE`.
    """
    rows = rows_of(eyes.encoder, begun(decoder, eyes.encoder, photos, styles, before))
    known = style_of(rows_of(eyes.encoder, styles))
    picture = painted(decoder, rows, known, ALONE if before == "nothing" else OTHER)
    features, content = eyes.critic(picture.clamp(-0.2, 1.2), JUDGED), judged(eyes.critic, photos)
    return {
        "style": style_distance(features, content, STYLE.target(judged(eyes.critic, styles))),
        "content": args.content_weight * CONTENT(features, CONTENT.target(content)),
        "variation": args.tv_weight * variations.squared_variation(picture),
        "range": 10 * variations.out_of_range(picture),
        "pixels": 20 * itself * (picture - photos).square().mean((1, 2, 3)),
    }


def batch_of(data: Data, args: argparse.Namespace, random: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """(photos, styles, itself): one style in eight is its photo."""
    photos = torch.stack(
        [random_crop(data.photos[random.integers(len(data.photos))], args.size, random) for _ in range(args.batch)]
    ).clamp(0, 1)
    styles = torch.stack([style_crop(data, args.size, random) for _ in range(args.batch)])
    itself = torch.from_numpy(random.random(args.batch) < 1 / 8).float()
    return photos, torch.where(itself.view(-1, 1, 1, 1) > 0, photos, styles), itself


def known_style(encoder: Backbone, painting: Tensor, count: int) -> dict[str, Moments]:
    """What presto knows of a painting (3, H, W), for a batch of so many photos."""
    known = style_of(rows_of(encoder, painting[None]))
    return {layer: Moments(*(part.expand(count, *part.shape[1:]) for part in one)) for layer, one in known.items()}


@torch.no_grad()
def sheet(decoder: Decoder, encoder: Backbone, data: Data, path: Path) -> None:
    """Held-out photos (down) in held-out styles (across), with the originals at the edges."""
    photos, paintings = data.held_photos, data.held_paintings
    seen = rows_of(encoder, photos)
    columns = [painted(decoder, seen, known_style(encoder, one, len(photos))).clamp(0, 1) for one in paintings]
    rows = [torch.cat((torch.ones_like(paintings[:1]), paintings))]
    rows += [torch.stack([photo, *(column[i] for column in columns)]) for i, photo in enumerate(photos)]
    saving.save(torch.cat([torch.cat(list(row), 2) for row in rows], 1)[None], path)


@torch.no_grad()
def evaluate(decoder: Decoder, eyes: Frozen, data: Data) -> str:
    """A table over strengths: medians over the sheet's pairs of what the losses measure, as `stylize` paints them.

    After one pass at most, and after as many as the strength takes.
    """
    head = (
        "strength",
        *(f"{what}, {passes}" for passes in ("one pass", "up to two") for what in ("style", "content")),
    )
    lines = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    stylizer = Stylizer(StylizeOptions(engine="torch"), decoder)
    content = [judged(eyes.critic, photo[None]) for photo in data.held_photos]
    targets = [STYLE.target(judged(eyes.critic, painting[None])) for painting in data.held_paintings]
    for strength in (0, 25, 50, 75, 100):
        cells = []
        for passes in (1, None):
            stylizer.take(stylizer.options.replace(strength=strength, passes=passes))
            found = []
            for painting, target in zip(data.held_paintings, targets, strict=True):
                for photo, own in zip(data.held_photos, content, strict=True):
                    picture = stylizer.image(View(photo[None], (Picture(painting[None]),)))
                    features = judged(eyes.critic, picture)
                    away = CONTENT(features, CONTENT.target(own))
                    found.append((float(style_distance(features, own, target).sqrt()), float(away.sqrt())))
            cells += [f"{np.median(values):.2f}" for values in zip(*found, strict=True)]
        lines.append(f"| {strength} | {' | '.join(cells)} |")
    return "\n".join(lines)


def train(args: argparse.Namespace, data: Data, eyes: Frozen) -> Decoder:
    """Train, or continue from the checkpoint in `args.out`; the log is one JSON object a line."""
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    decoder = Decoder().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=args.rate, weight_decay=1e-4)
    checkpoint = args.out / "checkpoint.pt"
    if args.begin and not checkpoint.exists():
        known = read_file(args.begin)[1]
        decoder.load_state_dict({key: known[f"decoder.{key}"].float() for key in decoder.state_dict()})
    start = load_checkpoint(checkpoint, decoder, optimizer)
    sums: dict[str, list[float]] = {}
    began = time.monotonic()
    with (args.out / "log.jsonl").open("a", buffering=1) as log:
        for step in range(start, args.steps):
            # every step draws from its own seed, so a run that continues sees what it would have seen
            random = np.random.default_rng((args.seed, step))
            photos, styles, itself = batch_of(data, args, random)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, args.hold, args.steps, args.rate, warm_up=100)
            parts = step_losses(decoder, eyes, photos, styles, itself, random.choice(BEFORE, p=args.passes), args)
            loss = torch.stack([part.mean() for part in parts.values()]).sum()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
            optimizer.step()
            for name, part in parts.items():
                sums.setdefault(name, []).append(part.mean().item())
            if step % 50 == 49:
                means = {name: round(float(np.mean(values)), 5) for name, values in sums.items()}
                print(json.dumps({"step": step + 1, "seconds": round(time.monotonic() - began), **means}), file=log)
                sums = {}
            if step % args.save_every == args.save_every - 1 or step == args.steps - 1:
                save_checkpoint(checkpoint, decoder, optimizer, step + 1)
                sheet(decoder, eyes.encoder, data, args.out / "sheet.jpg")
    return decoder


def export(decoder: Decoder, encoder: Backbone, path: Path) -> None:
    """Encoder and decoder in one file of half precision."""
    parts = {"encoder": encoder.weights, "decoder": decoder.state_dict()}
    tensors = {f"{part}.{key}": value for part, weights in parts.items() for key, value in weights.items()}
    tensors = {key: value.half().contiguous() for key, value in tensors.items()}
    save_file(tensors, path, metadata={"network": "presto", "license": "MIT"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with photos/ and paintings/")
    parser.add_argument("--out", type=Path, default=Path("runs/presto"), help="folder of checkpoint.pt and log.jsonl")
    parser.add_argument("--steps", type=int, default=20000)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, default=224, help="edge of a training crop in pixels")
    parser.add_argument("--rate", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--hold", type=int, default=5000, help="step from which the learning rate falls")
    parser.add_argument("--content-weight", type=float, default=0.1)
    parser.add_argument("--tv-weight", type=float, default=0.5)
    parser.add_argument(
        "--passes",
        type=float,
        nargs=3,
        default=(0.15, 0.65, 0.2),
        help=f"shares of steps in which the pass that learns has before it: {', '.join(BEFORE)}",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save-every", type=int, default=500, help="steps between two checkpoints and sheets")
    parser.add_argument("--begin", type=Path, help="a file that was exported, to be trained further")
    parser.add_argument("--export", type=Path, help="write the shipped file here after training")
    parser.add_argument("--evaluate", action="store_true", help="print a table of distances after training")
    args = parser.parse_args()
    data = Data(args.data)
    eyes = frozen()
    decoder = train(args, data, eyes)
    if args.evaluate:
        print(evaluate(decoder, eyes, data))
    if args.export:
        export(decoder, frozen(torch.float32).encoder, args.export)


if __name__ == "__main__":
    main()
