"""Train petit, the feature network that ships with impasto.

    python training/petit.py --data DATA --out runs/petit

DATA holds `photos/`, `paintings/`, `painted/` (see painted.py) and `teacher/` with two networks as safetensors:
`vgg19_caffe_to_conv3_1` (the original VGG-19) and `vgg19_distilled_16x_to_conv5_1` (a VGG-19 of a sixteenth of the
parameters, from Collaborative Distillation, CVPR 2020). A run that was stopped continues where its checkpoint is.
`--export FILE` folds batch normalisation into the convolutions and writes the half-precision file that ships; `--card
FILE` writes its card. glibc keeps freed memory, and a step takes a fifth less, with MALLOC_MMAP_THRESHOLD_=4000000000
and MALLOC_TRIM_THRESHOLD_=16000000000 in the environment.

petit is a plain VGG-like chain of 3x3 convolutions, ReLU and average pooling. Three terms a layer teach it:

- features: mean squared error of a 1x1 head on its features against the teacher's, over the teacher's variance;
- Gram: relative Frobenius error of the head's Gram matrix against the teacher's (what style losses read);
- geometry: distance between the two kernel matrices of the same positions (linear CKA, Kornblith et al. 2019), so that
  distances between petit's own features, without any head, mean what they mean in the teacher.

The heads are dropped in the end.
"""

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from card import card
from pictures import center_crops, random_batch, read_folder, split
from resume import HALF, PRECISION, learning_rate, load_checkpoint, save_checkpoint
from safetensors.torch import load_file, save_file
from torch import nn

# channels of every convolution, block by block: full-resolution maps are the dear ones, and multiples of 16 the quick ones
CHANNELS = ((16, 32), (64, 64), (96, 96), (144, 144, 144), (192,))
IMAGENET_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
IMAGENET_STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
CAFFE_MEAN = torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)

# layer -> channels of the teacher's features there
TAUGHT = {
    "relu1_1": 64, "relu1_2": 64, "relu2_1": 128, "relu2_2": 128, "relu3_1": 256,
    "relu4_1": 512, "relu4_2": 128, "relu5_1": 512,
}  # fmt: skip


def reflect_conv(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), weight, bias)


class Teachers:
    """The true VGG-19 as far as relu3_1 and the distilled one beyond, frozen."""

    def __init__(self, folder: Path, images: torch.Tensor) -> None:
        """`images` set the units: each layer's features are divided by their root mean square on these.

        `variances` are those of the divided features, the mean over channels.
        """

        def load(name: str) -> dict[str, torch.Tensor]:
            weights = load_file(folder / f"{name}.safetensors")
            return {
                key: value.to(PRECISION).contiguous(
                    memory_format=torch.channels_last if value.ndim == 4 else torch.contiguous_format
                )
                for key, value in weights.items()
            }

        self.true = load("vgg19_caffe_to_conv3_1")
        self.small = load("vgg19_distilled_16x_to_conv5_1")
        found = self.features(images)
        self.units = {layer: x.float().square().mean().sqrt() for layer, x in found.items()}
        self.variances = {
            layer: x.float().var((0, 2, 3), correction=0).mean() / self.units[layer] ** 2 for layer, x in found.items()
        }

    def __call__(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """(N, 3, H, W) in [0, 1] -> layer -> (N, C, h, w), of the order of 1."""
        return {layer: features / self.units[layer] for layer, features in self.features(images).items()}

    @torch.no_grad()
    def features(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        found = {}
        x = (images[:, [2, 1, 0]] * 255 - CAFFE_MEAN).to(PRECISION).contiguous(memory_format=torch.channels_last)
        for name in ("1_1", "1_2", "2_1", "2_2", "3_1"):
            if name in ("2_1", "3_1"):
                x = F.max_pool2d(x, 2)
            x = F.relu(reflect_conv(x, self.true[f"conv{name}.weight"], self.true[f"conv{name}.bias"]))
            found[f"relu{name}"] = x
        x = F.conv2d(images, self.small["preprocess.weight"].float(), self.small["preprocess.bias"].float())
        x = x.to(PRECISION).contiguous(memory_format=torch.channels_last)
        for block, depth in enumerate((2, 2, 4, 4, 1), start=1):
            for i in range(1, depth + 1):
                name = f"{block}_{i}"
                x = F.relu(reflect_conv(x, self.small[f"conv{name}.weight"], self.small[f"conv{name}.bias"]))
                if name in ("4_1", "5_1"):
                    head = self.small[f"to_vgg{name}.weight"], self.small[f"to_vgg{name}.bias"]
                    found[f"relu{name}"] = F.relu(F.conv2d(x, *head))
                if name == "4_2":
                    found["relu4_2"] = x
            if block < 5:
                x = F.max_pool2d(x, 2)
        return found


class Petit(nn.Module):
    """The student: convolution, batch normalisation, ReLU, with average pooling between blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.convs, self.norms = nn.ModuleDict(), nn.ModuleDict()
        into = 3
        for block, channels in enumerate(CHANNELS, start=1):
            for i, out in enumerate(channels, start=1):
                self.convs[f"{block}_{i}"] = nn.Conv2d(into, out, 3, bias=False)
                self.norms[f"{block}_{i}"] = nn.BatchNorm2d(out)
                into = out
        self.heads = nn.ModuleDict(
            {
                layer: nn.Conv2d(self.convs[layer.removeprefix("relu")].out_channels, count, 1)
                for layer, count in TAUGHT.items()
            }
        )

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """(N, 3, H, W) in [0, 1] -> layer -> (N, C, h, w), petit's own features."""
        found = {}
        x = ((images - IMAGENET_MEAN) / IMAGENET_STD).contiguous(memory_format=torch.channels_last)
        for name, conv in self.convs.items():
            if name.endswith("_1") and name != "1_1":
                x = F.avg_pool2d(x, 2)
            x = F.relu(self.norms[name](conv(F.pad(x, (1, 1, 1, 1), mode="reflect"))))
            found[f"relu{name}"] = x
        return found


@torch.no_grad()
def begin_with(network: Petit, path: Path) -> None:
    """Take up the weights of a file that was exported: normalisation is folded into them, so it begins as the identity."""
    weights = load_file(path)
    for name, conv in network.convs.items():
        norm = network.norms[name]
        conv.weight.copy_(weights[f"conv{name}.weight"])
        norm.bias.copy_(weights[f"conv{name}.bias"])
        norm.running_var.fill_(1 - norm.eps)


def thin(features: torch.Tensor, offset: tuple[float, float], most: float) -> torch.Tensor:
    """(N, C, h, w) -> (N, C, M): a regular grid of about `most` positions, shifted by `offset` in [0, 1)."""
    stride = max(1, round((features[0, 0].numel() / most) ** 0.5))
    top, left = (int(part * stride) for part in offset)
    return features[:, :, top::stride, left::stride].flatten(2)


def gram(features: torch.Tensor) -> torch.Tensor:
    """(N, C, M) -> (N, C, C)."""
    return (features @ features.transpose(1, 2)).float() / features.shape[2]


def kernel(features: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """(N, C, M) -> centred linear kernel matrix between positions of the whole batch, of unit Frobenius norm."""
    rows = features.transpose(1, 2).flatten(0, 1)[positions].float()
    rows = (rows - rows.mean(0)).to(features.dtype)
    matrix = (rows @ rows.T).float()
    return matrix / matrix.norm()


def compare(
    network: Petit, teachers: Teachers, images: torch.Tensor, random: np.random.Generator, most: float
) -> Iterator[tuple[str, torch.Tensor, torch.Tensor, tuple[torch.Tensor, torch.Tensor]]]:
    """Run both: layer, the head's guess (N, C, M), the teacher's features (N, C, M), both kernel matrices.

    Layers of more than `most` positions are compared on a grid of about so many: sums over positions need no more to learn.
    """
    with torch.autocast("cpu", torch.bfloat16, enabled=HALF):
        student = network(images)
    offset = tuple(random.random(2))
    for layer, features in teachers(images).items():
        own, target = (thin(x, offset, most) for x in (student[layer], features))
        head = network.heads[layer]
        guess = head.weight.flatten(1).to(own.dtype) @ own + head.bias.to(own.dtype).view(-1, 1)
        positions = torch.from_numpy(random.integers(0, target[:, 0].numel(), 512))
        yield layer, guess, target, (kernel(own, positions), kernel(target, positions))


def losses(
    network: Petit, teachers: Teachers, images: torch.Tensor, random: np.random.Generator
) -> dict[str, tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """layer -> (features, Gram, geometry), each a scalar tensor of the order of 1 in the beginning."""
    result = {}
    for layer, guess, target, kernels in compare(network, teachers, images, random, most=1000):
        target_gram = gram(target)
        distance = (gram(guess) - target_gram).flatten(1).norm(dim=1) / target_gram.flatten(1).norm(dim=1)
        result[layer] = (
            F.mse_loss(guess.float(), target.float()) / teachers.variances[layer],
            distance.mean(),
            (kernels[0] - kernels[1]).norm(),
        )
    return result


@torch.no_grad()
def fit_heads(network: Petit, teachers: Teachers, images: torch.Tensor) -> None:
    """Replace the heads by the least-squares ones for these pictures, slightly damped.

    They show what the features hold of the teachers'. The heads that are learnt along the way are noisy, and lean towards
    the Gram term.
    """
    network.eval()
    random = np.random.default_rng(1)
    products: dict[str, list[torch.Tensor]] = {}
    for batch in images.split(16):
        student = network(batch)
        offset = tuple(random.random(2))
        for layer, features in teachers(batch).items():
            own, target = (
                thin(x, offset, 600).transpose(1, 2).flatten(0, 1).double() for x in (student[layer], features)
            )
            own = F.pad(own, (0, 1), value=1)
            sums = products.setdefault(layer, [torch.zeros(()), torch.zeros(())])
            sums[0], sums[1] = sums[0] + own.T @ own, sums[1] + own.T @ target
    for layer, (square, cross) in products.items():
        damping = 1e-8 * square.diagonal().mean() * torch.eye(len(square), dtype=torch.double)
        damping[-1, -1] = 0  # the intercept
        weight = torch.linalg.solve(square + damping, cross).T
        head = network.heads[layer]
        head.weight.copy_(weight[:, :-1].float().view_as(head.weight))
        head.bias.copy_(weight[:, -1].float())
    network.train()


@torch.no_grad()
def evaluate(network: Petit, teachers: Teachers, images: torch.Tensor) -> dict[str, dict[str, float]]:
    """layer -> R2 of the features, correlation of the Gram matrices, linear CKA, on held-out pictures.

    Gram matrices are compared picture by picture, of which "gram" is the median, and all pictures together: "gram_all".
    """
    network.eval()
    random = np.random.default_rng(0)
    residual, total, correlation, sums, cka = ({layer: [] for layer in TAUGHT} for _ in range(5))
    for batch in images.split(16):
        for layer, guess, target, kernels in compare(network, teachers, batch, random, most=math.inf):
            guess, target = guess.float(), target.float()
            residual[layer].append((guess - target).square().sum().item())
            total[layer].append((target - target.mean((0, 2), keepdim=True)).square().sum().item())
            pairs = torch.stack([gram(guess).flatten(1), gram(target).flatten(1)], 1)
            correlation[layer] += [torch.corrcoef(pair)[0, 1].item() for pair in pairs]
            sums[layer].append(pairs.sum(0))
            cka[layer].append((kernels[0] * kernels[1]).sum().item())
    network.train()
    return {
        layer: {
            "r2": 1 - sum(residual[layer]) / sum(total[layer]),
            "gram": float(np.median(correlation[layer])),
            "gram_all": torch.corrcoef(sum(sums[layer]))[0, 1].item(),
            "cka": float(np.mean(cka[layer])),
        }
        for layer in TAUGHT
    }


class Data:
    """Photographs and paintings for training, and center crops: of some of them for heads, and of the held-out ones."""

    def __init__(self, folder: Path) -> None:
        self.photos, held_photos = split(read_folder(folder / "photos", 320), every=20)
        self.paintings, held_paintings = split(read_folder(folder / "paintings", 512), every=16)
        self.painted = read_folder(folder / "painted", 256)
        self.some = center_crops(self.photos[::8] + self.paintings[::4], 224)
        self.held = center_crops(held_photos[:48] + held_paintings[:16], 224)


def train(args: argparse.Namespace, data: Data, teachers: Teachers) -> Petit:
    """Train, or continue from the checkpoint in `args.out`; the log is one JSON object a line."""
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    network = Petit().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=args.rate, weight_decay=1e-4)
    stress = {layer: float(weight) for layer, weight in (pair.split("=") for pair in args.stress)}
    checkpoint = args.out / "checkpoint.pt"
    if args.begin and not checkpoint.exists():
        begin_with(network, args.begin)
        fit_heads(network, teachers, data.some)
    start = load_checkpoint(checkpoint, network, optimizer)
    with (args.out / "log.jsonl").open("a", buffering=1) as log:
        for step in range(start, args.steps):
            # every step draws from its own seed, so a run that continues sees what it would have seen
            random = np.random.default_rng((args.seed, step))
            batch = random_batch(data.photos, data.paintings, data.painted, args.size, args.batch, random)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, args.hold, args.steps, args.rate)
            if args.begin or step >= args.settle:
                network.norms.eval()
            parts = losses(network, teachers, batch, random)
            loss = sum(
                stress.get(layer, 1.0) * (features + args.gram * grams + 0.5 * geometry)
                for layer, (features, grams, geometry) in parts.items()
            )
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 2.0)
            optimizer.step()
            if step % 100 == 0:
                rounded = {layer: [round(part.item(), 4) for part in terms] for layer, terms in parts.items()}
                print(json.dumps({"step": step, "loss": loss.item(), "parts": rounded}), file=log)
            if step % 500 == 499 or step == args.steps - 1:
                save_checkpoint(checkpoint, network, optimizer, step + 1)
                print(json.dumps({"step": step + 1, "held_out": evaluate(network, teachers, data.held)}), file=log)
    return network


@torch.no_grad()
def export(network: Petit, photos: torch.Tensor, path: Path) -> None:
    """Fold normalisation, scale every layer to a mean activation of 1 (as Gatys et al. 2016 did with VGG), write fp16."""
    network.eval()
    scales = {name: features.mean().item() for name, features in network(photos).items()}
    weights, before = {}, 1.0
    for name, conv in network.convs.items():
        norm, scale = network.norms[name], scales[f"relu{name}"]
        gain = norm.weight / (norm.running_var + norm.eps).sqrt()
        weights[f"conv{name}.weight"] = (conv.weight * gain.view(-1, 1, 1, 1) * before / scale).half().contiguous()
        weights[f"conv{name}.bias"] = ((norm.bias - norm.running_mean * gain) / scale).half()
        before = scale  # the next layer's input is smaller by this much
    save_file(weights, path, metadata={"network": "petit", "license": "MIT", "lineage": "distilled from VGG-19"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with photos/, paintings/ and teacher/")
    parser.add_argument("--out", type=Path, default=Path("runs/petit"), help="folder of checkpoint.pt and log.jsonl")
    parser.add_argument("--begin", type=Path, help="a file that was exported, to be trained further")
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=176, help="edge of a training crop in pixels")
    parser.add_argument("--rate", type=float, default=3e-3, help="peak learning rate")
    parser.add_argument("--hold", type=int, default=2000, help="step from which the learning rate falls")
    parser.add_argument("--settle", type=int, default=11000, help="step from which normalisation keeps its statistics")
    parser.add_argument("--gram", type=float, default=1.0, help="weight of the Gram term")
    parser.add_argument("--stress", nargs="+", default=[], help="what layers count, as relu2_1=2; the others count 1")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--export", type=Path, help="write the shipped file here after training")
    parser.add_argument("--card", type=Path, help="write the card, a Markdown page, here after training")
    args = parser.parse_args()
    data = Data(args.data)
    teachers = Teachers(args.data / "teacher", data.held[::4])
    network = train(args, data, teachers)
    if args.export:
        export(network, center_crops(data.photos[:64], 224), args.export)
    if args.card:
        fit_heads(network, teachers, data.some)
        facts = {
            "channels": ", ".join("-".join(map(str, block)) for block in CHANNELS),
            "parameters": sum(conv.weight.numel() + conv.out_channels for conv in network.convs.values()),
            "bytes": args.export.stat().st_size if args.export else 0,
            "photos": len(data.photos),
            "paintings": len(data.paintings),
            "held": len(data.held),
            **{name: getattr(args, name) for name in ("size", "steps", "batch", "rate", "hold", "gram", "seed")},
            "stress": " ".join(args.stress),
        }
        args.card.write_text(card(facts, evaluate(network, teachers, data.held)), encoding="utf-8")


if __name__ == "__main__":
    main()
