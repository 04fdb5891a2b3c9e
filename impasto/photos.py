"""Photographs to train on: a folder of any size, shuffled by a seed, as random crops.

Pictures in tar files count like those in folders, so that a large set can be a few files instead of a million. What a
position in the endless sequence of crops shows depends on the seed and the files alone. So several processes can share the
sequence, and a training that goes on sees what it would have seen.
"""

import tarfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from impasto import images
from impasto.errors import InputError
from impasto.folders import SUFFIXES
from impasto.opening import FilePath, is_folder

ZOOM = 1.25  # a photo's longer side lies between size / ZOOM and size * ZOOM
KEPT = 1 << 30  # bytes of pictures that stay in memory


class Entry(NamedTuple):
    """Where a picture's bytes are: a file, or from `offset` in a tar file, where it is called `name`."""

    path: Path
    name: str = ""
    offset: int = 0
    size: int = 0

    def source(self) -> Path | bytes:
        """What `images` reads."""
        if not self.name:
            return self.path
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)

    def __str__(self) -> str:
        return f"{self.path}/{self.name}" if self.name else str(self.path)


class Window(NamedTuple):
    """A crop: of which photo, its box in pixels of the picture as it was read, and whether it is mirrored."""

    place: Entry
    picture: Image.Image
    box: tuple[int, int, int, int]
    mirrored: bool


class Photos:
    """The pictures below a folder. `broken`: why a picture was left out, by its place, as it is found.

    size: what a photo's longer side is brought to, a quarter more or less. crop: the edge of what is cut from it. Raises
    InputError where there is no picture.
    """

    def __init__(self, folder: FilePath, size: int, crop: int, seed: int) -> None:
        self.folder, self.size, self.crop, self.seed = Path(folder), size, crop, seed
        self.places = sorted(listed(self.folder))
        if not self.places:
            raise InputError(
                f"There is no picture in {folder}: give a folder with photographs, a few hundred or more; your own, or a "
                "public set such as COCO (cocodataset.org)."
            )
        self.broken: dict[str, str] = {}
        self.kept: dict[Entry, Image.Image] = {}
        self.room = KEPT

    def crops(self, positions: Iterable[int]) -> Tensor:
        """The crops at these positions: (N, 3, crop, crop) in [0, 1]. Raises InputError where no picture can be read."""
        windows = [self.window(position) for position in positions]
        return self.through(windows, [window.picture for window in windows])

    def window(self, position: int) -> Window:
        """Where a position's crop is: somewhere in the photo, at a random size, mirrored in every other case."""
        random = np.random.default_rng((self.seed, position))
        place, picture = next(self.readable(position))
        edge = min(round(self.crop * random.uniform(1, ZOOM**2)), *picture.size)
        left, top = (int(random.integers(0, side - edge + 1)) for side in picture.size)
        return Window(place, picture, (left, top, left + edge, top + edge), random.random() < 0.5)

    def through(self, windows: Sequence[Window], pictures: Sequence[Image.Image]) -> Tensor:
        """What pictures of the photos' sizes show in these windows: (N, 3, crop, crop) in [0, 1]."""
        crops = []
        for window, picture in zip(windows, pictures, strict=True):
            shape = (self.crop, self.crop)
            crop = np.asarray(picture.resize(shape, Image.Resampling.BICUBIC, box=window.box))
            crops.append(crop[:, ::-1] if window.mirrored else crop)
        return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float().div_(255).contiguous()

    def readable(self, position: int) -> Iterator[tuple[Entry, Image.Image]]:
        """The photo of a position and those after it, without broken ones. Every round has an order of its own.

        Raises InputError where no picture can be read.
        """
        turn, place = divmod(position, len(self.places))
        order = np.random.default_rng((self.seed, turn, 1)).permutation(len(self.places))
        found = False
        for index in chain(order[place:], order[:place]):
            picture = self.read(self.places[index])
            if picture is not None:
                found = True
                yield self.places[index], picture
        if not found:
            raise InputError(
                f"None of the {len(self.places)} pictures in {self.folder} can be read: {next(iter(self.broken.values()))}"
            )

    def keep(self, count: int) -> dict[Entry, Image.Image]:
        """From now on only so many photos, the first ones of the seed's order that can be read. Raises InputError."""
        found = dict(islice(self.readable(0), count))
        self.places = sorted(found)
        return found

    def read(self, place: Entry) -> Image.Image | None:
        """A photo with its longer side at the largest size that is used, or None where it is broken."""
        if str(place) in self.broken:
            return None
        if place not in self.kept:
            try:
                whole = images.load_picture(place.source())
            except InputError as error:
                self.broken[str(place)] = f"{place}: {error}" if place.name else str(error)
                return None
            factor = self.size * ZOOM / max(whole.size)
            shape = (max(1, round(factor * whole.width)), max(1, round(factor * whole.height)))
            picture = whole.resize(shape, Image.Resampling.BICUBIC)
            self.room -= 3 * shape[0] * shape[1]
            if self.room < 0:
                return picture
            self.kept[place] = picture
        return self.kept[place]

    def samples(self, count: int) -> list[Tensor]:
        """The first readable photos whole, (1, 3, H, W) in [0, 1], at `size`: to look at what was learnt."""
        found = (picture for place in self.places if (picture := self.read(place)) is not None)
        return [images.resize(images.load(picture), self.size) for picture, _ in zip(found, range(count), strict=False)]


def listed(folder: Path) -> Iterator[Entry]:
    """Every picture below a folder. Raises InputError where there is no such folder, or a tar file is damaged."""
    if not is_folder(folder):
        raise InputError(f"{folder} is no folder: give one with photographs to train on.")
    for path in folder.rglob("*"):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            yield Entry(path)
        elif path.suffix.lower() == ".tar" and path.is_file():
            yield from inside(path)


def inside(path: Path) -> Iterator[Entry]:
    """Every picture in a tar file that is not compressed."""
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                if member.isfile() and Path(member.name).suffix.lower() in SUFFIXES:
                    yield Entry(path, member.name, member.offset_data, member.size)
    except (OSError, tarfile.TarError) as error:
        raise InputError(f"{path} is damaged or compressed ({error}): unpack it, or pack it as plain tar.") from error
