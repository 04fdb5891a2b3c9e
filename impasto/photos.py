"""Photographs to train on: a folder of any size, shuffled by a seed, as random crops.

What a position in the endless sequence of crops shows depends on the seed and the files alone. So several processes can
share the sequence, and a training that goes on sees what it would have seen.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from impasto import images
from impasto.errors import InputError
from impasto.folders import SUFFIXES
from impasto.images import FilePath

ZOOM = 1.25  # a photo's longer side lies between size / ZOOM and size * ZOOM
KEPT = 1 << 30  # bytes of pictures that stay in memory


class Photos:
    """The pictures of a folder and the folders in it. `broken`: file -> why it was left out, as it is found.

    size: what a photo's longer side is brought to, a quarter more or less. crop: the edge of what is cut from it. Raises
    InputError where there is no picture.
    """

    def __init__(self, folder: FilePath, size: int, crop: int, seed: int) -> None:
        self.folder, self.size, self.crop, self.seed = Path(folder), size, crop, seed
        self.paths = sorted(listed(self.folder))
        if not self.paths:
            raise InputError(
                f"There is no picture in {folder}: give a folder with photographs, a few hundred or more; your own, or a "
                "public set such as COCO (cocodataset.org)."
            )
        self.broken: dict[Path, str] = {}
        self.kept: dict[Path, Image.Image] = {}
        self.room = KEPT

    def crops(self, positions: Iterable[int]) -> Tensor:
        """The crops at these positions: (N, 3, crop, crop) in [0, 1]. Raises InputError where no picture can be read."""
        arrays = np.stack([self.cut(position) for position in positions])
        return torch.from_numpy(arrays).permute(0, 3, 1, 2).float().div_(255).contiguous()

    def cut(self, position: int) -> np.ndarray:
        """One crop, (crop, crop, 3) uint8: somewhere in the photo, at a random size, mirrored in every other case."""
        random = np.random.default_rng((self.seed, position))
        picture = next(self.readable(position))
        edge = min(round(self.crop * random.uniform(1, ZOOM**2)), *picture.size)
        left, top = (int(random.integers(0, side - edge + 1)) for side in picture.size)
        box = (left, top, left + edge, top + edge)
        crop = np.asarray(picture.resize((self.crop, self.crop), Image.Resampling.BICUBIC, box=box))
        return crop[:, ::-1] if random.random() < 0.5 else crop

    def readable(self, position: int) -> Iterator[Image.Image]:
        """The photo of a position and those after it, without broken ones. Every round has an order of its own."""
        turn, place = divmod(position, len(self.paths))
        order = np.random.default_rng((self.seed, turn, 1)).permutation(len(self.paths))
        for index in chain(order[place:], order[:place]):
            picture = self.read(self.paths[index])
            if picture is not None:
                yield picture
        raise InputError(
            f"None of the {len(self.paths)} pictures in {self.folder} can be read: {next(iter(self.broken.values()))}"
        )

    def read(self, path: Path) -> Image.Image | None:
        """A photo with its longer side at the largest size that is used, or None where it is broken."""
        if path in self.broken:
            return None
        if path not in self.kept:
            try:
                whole = images.load_picture(path)
            except InputError as error:
                self.broken[path] = str(error)
                return None
            factor = self.size * ZOOM / max(whole.size)
            shape = (max(1, round(factor * whole.width)), max(1, round(factor * whole.height)))
            picture = whole.resize(shape, Image.Resampling.BICUBIC)
            self.room -= 3 * shape[0] * shape[1]
            if self.room < 0:
                return picture
            self.kept[path] = picture
        return self.kept[path]

    def samples(self, count: int) -> list[Tensor]:
        """The first readable photos whole, (1, 3, H, W) in [0, 1], at `size`: to look at what was learnt."""
        found = (picture for path in self.paths if (picture := self.read(path)) is not None)
        return [images.resize(images.load(picture), self.size) for picture, _ in zip(found, range(count), strict=False)]


def listed(folder: Path) -> Iterator[Path]:
    """Every picture file below a folder. Raises InputError where there is no such folder."""
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: give one with photographs to train on.")
    return (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
