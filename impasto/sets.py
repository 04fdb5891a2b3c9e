"""Many outputs judged together: ArtFID-like scores and mean LPIPS-like distances, with the network and protocol named.

ArtFID (Wright and Ommer, "ArtFID: quantitative evaluation of neural style transfer", 2022) is
(1 + LPIPS of photo and output) · (1 + FID of styles and outputs). What we depart in is said in `PROTOCOL`: figures are
comparable among sets judged by the same network and protocol, and with no published ones.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from impasto import images, recipe, saving
from impasto.backbones import Backbone
from impasto.distances import normal, wasserstein
from impasto.errors import InputError
from impasto.evaluation import CONTENT_LAYERS, perceptual
from impasto.opening import check_size
from impasto.options import SMALLEST
from impasto.recipe import fingerprint
from impasto.statistics import moments

POOLED = "relu5_1"
PROTOCOL = (
    "artfid = (1 + perceptual) (1 + frechet). perceptual: mean over outputs of the LPIPS-like distance to the photo at "
    f"{', '.join(CONTENT_LAYERS)}, without learnt weights, where LPIPS has them. frechet: distance of two normal "
    f"distributions (Wasserstein-2, squared) of {POOLED}'s means over each picture, outputs against styles, each style as "
    "often as it was used, as a share of the styles' total variance; FID has Inception's features and their units. Photos "
    "are brought to the output's shape, styles to its longer side."
)


class Trio(NamedTuple):
    """An output and what it was painted from."""

    picture: Path
    content: Path
    style: Path


@dataclass(frozen=True)
class SetReport:
    """Scores of a set: the fewer the pictures against the network's channels, the more frechet is an overestimate."""

    backbone: str
    weights_sha256: str
    pictures: int
    channels: int
    perceptual: float
    frechet: float

    @property
    def artfid(self) -> float:
        """(1 + perceptual) (1 + frechet): lower is better, 1 is impossible."""
        return (1 + self.perceptual) * (1 + self.frechet)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "judge": {"backbone": self.backbone, "weights_sha256": self.weights_sha256},
            "pictures": self.pictures,
            "artfid": self.artfid,
            "perceptual": self.perceptual,
            "frechet": self.frechet,
            "protocol": PROTOCOL,
        }

    def __str__(self) -> str:
        few = f"; of fewer than {self.channels} pictures frechet is too high" if self.pictures < self.channels else ""
        return (
            f"artfid {self.artfid:.3f}, perceptual {self.perceptual:.3f}, frechet {self.frechet:.3f}\n"
            f"{self.pictures} pictures, judged by {self.backbone}{few}\n{PROTOCOL}"
        )


def match(pictures: Sequence[Path], contents: Sequence[Path], styles: Sequence[Path]) -> list[Trio]:
    """Every picture with its photo and its style: by the fingerprints in its recipe, else by its name, PHOTO-STYLE.

    Raises InputError where one of them is not found or cannot be read.
    """
    prints = {role: {fingerprint(path)["sha256"]: path for path in paths}
              for role, paths in (("content", contents), ("style", styles))}  # fmt: skip
    trios = []
    for picture in pictures:
        found = [prints[role].get(noted(picture, role)) for role in prints]
        named = ((content, style) for content in contents for style in styles
                 if picture.stem == f"{content.stem}-{style.stem}")  # fmt: skip
        content, style = found if all(found) else next(named, (None, None))
        if content is None or style is None:
            raise InputError(
                f"What {picture} was painted from is not among the photos and styles: give their folders, or name it "
                "PHOTO-STYLE."
            )
        trios.append(Trio(picture, content, style))
    return trios


def noted(picture: Path, role: str) -> str:
    """The SHA-256 of an input by a picture's recipe; nothing where that is missing or says something else."""
    found = saving.read_recipe(picture) or {}
    with suppress(InputError):
        return str(recipe.part(recipe.part(found, "inputs"), role).get("sha256", ""))
    return ""


@torch.no_grad()
def judge_set(trios: Sequence[Trio], judge: Backbone) -> SetReport:
    """The scores of a set. Raises InputError for fewer than two pictures, or one that is too small to be judged."""
    if len(trios) < 2:
        raise InputError(f"A set has two pictures or more, and here is {len(trios)}: judge it by itself.")
    distances, outputs, styles = [], [], []
    for trio in trios:
        image = images.load(trio.picture)
        shape = (image.shape[2], image.shape[3])
        check_size(shape[1], shape[0], str(trio.picture), SMALLEST)
        seen = judge(image, CONTENT_LAYERS)
        photo = judge(images.resize_to(images.load(trio.content), shape), CONTENT_LAYERS)
        distances.append(perceptual(seen, photo))
        outputs.append(pooled(seen[POOLED]))
        styles.append(pooled(judge(images.resize(images.load(trio.style), max(shape)), [POOLED])[POOLED]))
    value, target = (moments(torch.stack(one, 1)[None, :, :, None]) for one in (outputs, styles))
    frechet = float(wasserstein(value, normal(target)).clamp_min(0))
    return SetReport(
        judge.name, judge.fingerprint, len(trios), len(outputs[0]), sum(distances) / len(distances), frechet
    )


def pooled(features: Tensor) -> Tensor:
    """(1, C, H, W) -> the mean over positions, (C,)."""
    return features.float().mean((0, 2, 3))
