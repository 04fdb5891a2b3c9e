"""A film: the frames of a video, painted one after the other, and what does not have to wait for the last one ahead.

Three threads: one reads the video and follows what moved in it, one runs the network (`Method.draft`), and the caller's
brings both together. What they make is the same whatever their order.
"""

import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import count

from torch import Tensor

from impasto import images
from impasto.film import flow as flows
from impasto.film.ahead import ahead
from impasto.film.flow import Motion
from impasto.film.folder import Folder
from impasto.film.methods import Method, Past
from impasto.film.reading import Clip, Picture, Shot
from impasto.film.stage import Stage, photo_of, picture_of
from impasto.options import VideoOptions
from impasto.scene import Scene

ENCORE = 500_000  # added to the numbers of frames that are painted once more, for a loop


@dataclass(frozen=True)
class Frame:
    """A painted frame: `index` from 0, of about `total`; its time and duration in the result; `seconds` spent so far.

    image: (1, 3, H, W) in [0, 1]; opacity: (1, 1, H, W) or None. found: whether an earlier run had finished it; of such
    frames only those that later ones look back to have an image. engine: what paints, in words. For a loop, the first
    frames come once more at the end, numbered from `ENCORE`.
    """

    index: int
    total: int
    time: Fraction
    duration: Fraction
    image: Tensor | None
    opacity: Tensor | None
    seconds: float
    found: bool
    engine: str


@dataclass(frozen=True)
class Take:
    """A frame before it is painted. key: the number of its picture; found: whether that is finished.

    scene: what it is painted from, None where it is finished and nothing looks back to it. motions: since earlier frames,
    by how many frames back they are, and draft, see `Method`, of a frame that is to be painted.
    """

    key: int
    shot: Shot
    found: bool
    scene: Scene | None = None
    motions: dict[int, Motion] = field(default_factory=dict)
    draft: Tensor | None = None


@dataclass(frozen=True)
class Film:
    """What is filmed: the part of a video, what its frames are painted from, and how."""

    clip: Clip
    stage: Stage
    settings: VideoOptions
    method: Method
    flow: flows.Flow

    def frames(self, folder: Folder | None, holds_alpha: bool = True) -> Generator[Frame, None, None]:
        """Paint every frame that the folder does not have, and put it there. Raises as `video` does."""
        began, total = time.monotonic(), self.clip.count + self.settings.loop
        channels = 4 if self.clip.has_alpha and holds_alpha else 3
        painted: dict[int, Tensor] = {}
        with closing(ahead(self.drafted(ahead(self.takes(folder))))) as takes:
            for order, take in enumerate(takes):
                image = opacity = None
                if take.scene is not None:
                    if folder is not None and take.found:
                        picture = folder.picture(take.key)
                    else:
                        past = {back: painted[order - back] for back in take.motions}
                        picture = self.painted(take, take.scene, past, channels)
                        if folder is not None:
                            folder.keep(take.key, picture)
                    image, opacity = photo_of(picture, self.stage.device)
                    painted[order] = image
                    painted.pop(order - self.length, None)
                moment, seconds = take.shot.time - self.clip.shift, time.monotonic() - began
                yield Frame(
                    take.key, total, moment, take.shot.duration, image, opacity, seconds, take.found, self.method.engine
                )

    @property
    def length(self) -> int:
        """How many frames the method looks back."""
        return max(self.method.reach, default=0)

    def takes(self, folder: Folder | None) -> Generator[Take, None, None]:
        """The frames in order, and how they move."""
        missing = 0 if folder is None else next(index for index in count() if not folder.has(index))
        seen: dict[int, Tensor] = {}
        for order, (key, shot) in enumerate(self.reel()):
            take = Take(key, shot, folder is not None and folder.has(key))
            # behind a frame that is missing at a loop's beginning may be encoded ones, which nothing looks back to any more
            gone = folder is not None and take.found and not folder.frame(key).exists()
            if order >= missing - self.length and not gone:
                scene = self.stage.at(shot, shot.time - self.clip.shift)
                content = images.resize(scene.content.image, self.stage.options.size)
                seen[order], shape = flows.small(content), content.shape[2:]
                near = {} if take.found else {back: seen.get(order - back) for back in self.method.reach}
                motions = {
                    back: flows.motion(seen[order], earlier, shape, self.flow)
                    for back, earlier in near.items()
                    if earlier is not None
                }
                motions = {back: motion for back, motion in motions.items() if not flows.is_cut(motion.trust)}
                seen.pop(order - self.length, None)
                take = replace(take, scene=scene, motions=motions)
            yield take

    def drafted(self, takes: Generator[Take, None, None]) -> Generator[Take, None, None]:
        """The same, with what of them does not hang on what is painted before."""
        with closing(takes):
            for take in takes:
                if take.scene is None or take.found:
                    yield take
                else:
                    yield replace(take, draft=self.method.draft(take.scene, take.motions, take.shot.index))

    def reel(self) -> Iterator[tuple[int, Shot]]:
        """(number, shot) of all frames; for a loop the first few follow once more, led into by the last."""
        opening: list[Shot] = []
        for shot in self.clip.shots():
            if len(opening) < self.settings.loop:
                opening.append(shot)
            yield shot.index, shot
        for shot in opening:
            yield ENCORE + shot.index, shot

    def painted(self, take: Take, scene: Scene, earlier: Mapping[int, Tensor], channels: int) -> Picture:
        """One frame, painted, in the colors that were asked for and with the photo where it stays, as bytes."""
        past = [
            Past(flows.warp(earlier[back], motion.flow).clamp(0, 1), motion.trust, motion.flow)
            for back, motion in take.motions.items()
        ]
        canvas = self.method(scene, past, take.draft)
        view = scene.view(self.stage.options.size, 0, self.stage.plain)
        return picture_of(view.finish(canvas, self.stage.options), view.opacity if channels == 4 else None, channels)
