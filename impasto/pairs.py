"""Photos with paintings of them by the optimiser, for a network to learn from: `impasto train --teacher paint`.

A painting takes as long as a thousand crops, so each is made once and kept in a folder, by a name that says of what it was
made. What is there is not painted again, in this training or the next.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from PIL import Image
from torch import Tensor

from impasto import images, recipe
from impasto.errors import InputError, OutputError
from impasto.images import ImageSource
from impasto.opening import FilePath
from impasto.options import PaintOptions, TrainOptions
from impasto.painting import paint
from impasto.photos import Entry, Photos
from impasto.presets import options_for
from impasto.processes import Team

# options that painting takes over
SHARED = ("size", "backbone", "weights", "offline", "precision", "device", "seed", "style_frame")


@dataclass(frozen=True)
class Pairs:
    """Photos, and a painting of each in every style, of its size, by place and the style's number."""

    photos: Photos
    paintings: Mapping[tuple[Entry, int], Image.Image]

    def crops(self, positions: Iterable[int], rows: Sequence[int]) -> Tensor:
        """What the paintings show where the photos' crops are: (N, 3, crop, crop) in [0, 1].

        rows: of each position the style's number; beyond the last style, it is the photo itself.
        """
        windows = [self.photos.window(position) for position in positions]
        shown = [
            self.paintings.get((window.place, row), window.picture) for window, row in zip(windows, rows, strict=True)
        ]
        return self.photos.through(windows, shown)


def make_pairs(
    photos: Photos,
    styles: Sequence[ImageSource],
    options: TrainOptions,
    folder: FilePath,
    team: Team,
    on_painting: Callable[[int, int], object] = lambda done, total: None,
) -> Pairs:
    """Paint so many of the photos in every style, except what the folder has; `photos` then are these alone.

    Several processes share the work. on_painting: told how many are done, of how many. Raises InputError or OutputError.
    """
    pictures = photos.keep(options.painted)
    wanted = list(product(pictures, range(len(styles))))
    settings = options_for(**{name: getattr(options, name) for name in SHARED})
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"There cannot be a folder {folder} ({error.strerror}) for the paintings: name another."
        ) from error
    files = {
        (place, number): file_of(pictures[place], styles[number], settings, Path(folder)) for place, number in wanted
    }
    for done, (place, number) in enumerate(wanted, start=1):
        if done % team.count == team.rank and existing(files[place, number]) is None:
            paint(pictures[place], styles[number], settings).save(files[place, number])
        on_painting(done, len(wanted))
    team.wait()  # for the others' paintings
    paintings = {
        (place, number): images.load_picture(path).resize(pictures[place].size, Image.Resampling.BICUBIC)
        for (place, number), path in files.items()
    }
    return Pairs(photos, paintings)


def file_of(picture: Image.Image, style: ImageSource, settings: PaintOptions, folder: Path) -> Path:
    """Where the painting of a picture is kept: another picture, style or option makes another file."""
    facts = json.dumps([recipe.fingerprint(style)["sha256"], settings.as_dict()], sort_keys=True).encode()
    return folder / f"{hashlib.sha256(picture.tobytes() + facts).hexdigest()[:16]}.png"


def existing(path: Path) -> Image.Image | None:
    """The painting in a file, None where there is none that can be read."""
    with suppress(InputError):
        return images.load_picture(path)
    return None
