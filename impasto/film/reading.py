"""Video files in: upright pictures with their exact times.

Whatever the file has, a shot is RGB or RGBA, 8 bits a channel. Matrix and range are undone, primaries and transfer kept:
the numbers of a BT.2020 video stay what they are, and its tags are written to the result.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from impasto import saving
from impasto.errors import InputError
from impasto.film.extra import library
from impasto.opening import MAX_PIXELS, FilePath
from impasto.options import SMALLEST

if TYPE_CHECKING:
    import av

Picture: TypeAlias = "np.ndarray[Any, np.dtype[np.uint8]]"  # (H, W, 3 or 4)

UNSPECIFIED = 2  # in FFmpeg's numbering of matrices, primaries and transfers
BT601, BT709 = 5, 1  # matrices; SWS has the same numbers
HIGH_DEFINITION = 720  # lines: from here on an unnamed matrix is BT.709
LIMITED, FULL = 1, 2  # ranges
MISSING = 2  # frames that a file may lack against what it says without being called incomplete
ALPHA_DECODERS = {"vp9": "libvpx-vp9", "vp8": "libvpx"}  # FFmpeg's own leave the opacity out


@dataclass(frozen=True)
class Shot:
    """A frame of a video: its number among those that are painted, its time and duration in seconds, its picture."""

    index: int
    time: Fraction
    duration: Fraction
    picture: Picture


@dataclass(frozen=True)
class Color:
    """How numbers stand for colors, as FFmpeg numbers it."""

    matrix: int
    range: int
    primaries: int
    transfer: int


@dataclass(frozen=True)
class Clip:
    """A video that can be read: its facts, and the part of it that is wanted.

    height, width: of the upright picture; aspect: of a pixel, width by height; depth: bits a channel. time_base: unit of
    times; rate: frames a second on average; start: time of the first frame; length: seconds that it says it has, None if it
    does not.
    begin, end: the part that is wanted, in seconds from the start, every: n-th frame of it.
    """

    path: Path
    height: int
    width: int
    aspect: Fraction
    has_alpha: bool
    depth: int
    color: Color
    time_base: Fraction
    rate: Fraction
    start: Fraction
    length: Fraction | None
    begin: Fraction | None = None
    end: Fraction | None = None
    every: int = 1

    @property
    def count(self) -> int:
        """How many frames will be painted, as far as that can be told without decoding."""
        with opened(self.path) as container:
            packets = container.demux(stream_of(container, self.path))
            inside = sum(packet.pts is not None and self.holds(packet.pts * self.time_base) for packet in packets)
        return -(-inside // self.every)

    @property
    def shift(self) -> Fraction:
        """The time in the file that becomes 0 in the result."""
        return Fraction(0) if self.begin is None else self.start + self.begin

    def holds(self, time: Fraction) -> bool:
        """Whether a time in the file is in the part that is wanted."""
        after = self.begin is None or time >= self.start + self.begin
        return after and (self.end is None or time < self.start + self.end)

    def part(self, begin: Fraction | None, end: Fraction | None, every: int) -> "Clip":
        """The frames from `begin` up to but not including `end`, every n-th. Raises InputError where there are none."""
        first = begin or Fraction(0)
        if end is not None and end <= first:
            raise InputError(
                f"The part from {float(first):g} s to {float(end):g} s holds nothing: let --to be later than --from."
            )
        if self.length is not None and first >= self.length:
            raise InputError(
                f"{self.path} is {float(self.length):.2f} s long, and --from is {float(first):g}: choose an earlier time."
            )
        return replace(self, begin=begin, end=end, every=every)

    def shots(self) -> Iterator[Shot]:
        """The wanted frames in order. Raises InputError where the file is damaged, after the frames before that place."""
        previous: Shot | None = None
        seen = index = 0
        reached = ending = Fraction(0)
        for time, duration, picture in self.frames():
            reached = time + duration - self.start
            if not self.holds(time):
                continue
            ending = time + duration
            if seen % self.every == 0:
                if previous is not None:
                    yield replace(previous, duration=time - previous.time)
                previous = Shot(index, time, duration, picture)
                index += 1
            seen += 1
        if previous is None:
            raise InputError(f"{self.path} has no frame in the part that is wanted: choose another --from or --to.")
        yield replace(previous, duration=ending - previous.time)
        short = 0 if self.length is None or self.end is not None else self.length - reached
        if short > MISSING / self.rate:
            assert self.length is not None
            raise InputError(
                f"{self.path} ends after {float(reached):.2f} s of {float(self.length):.2f} s: copy or download it again."
            )

    def frames(self) -> Iterator[tuple[Fraction, Fraction, Picture]]:
        """(time, duration, upright picture) of every frame from about `begin` on, in order of time."""
        with opened(self.path) as container:
            stream = stream_of(container, self.path)
            stream.thread_type = "AUTO"
            if self.begin:
                container.seek(int((self.start + self.begin) / self.time_base), stream=stream)
            decoder = alpha_decoder(stream) or stream.codec_context
            guessed, number = 1 / self.rate, 0
            for packet in container.demux(stream):
                for frame in decoder.decode(packet):
                    time = number * guessed if frame.pts is None else frame.pts * self.time_base
                    number += 1
                    picture = upright(frame, self.color, self.has_alpha)
                    if picture.shape[:2] != (self.height, self.width):
                        raise InputError(
                            f"{self.path} changes its size at {float(time):.2f} s from {self.width} x {self.height} to "
                            f"{picture.shape[1]} x {picture.shape[0]} pixels: paint up to there with --to, or convert it."
                        )
                    yield time, frame.duration * self.time_base if frame.duration else guessed, picture
                # frames may be stored up to a second before their time
                if self.end is not None and (packet.dts or 0) * self.time_base > self.start + self.end + 1:
                    return


def read(path: FilePath) -> Clip:
    """The facts of a video file. Raises InputError where there is no video in it, or one that cannot be read."""
    path = Path(path)
    with opened(path) as container:
        stream = stream_of(container, path)
        decoder = alpha_decoder(stream) or stream.codec_context
        frame = next((frame for packet in container.demux(stream) for frame in decoder.decode(packet)), None)
        if frame is None:
            raise InputError(f"{path} has a video stream without a single frame: save or download it again.")
        has_alpha = any(component.is_alpha for component in frame.format.components) or frame.format.name == "pal8"
        if decoder.name == "gif":  # every GIF could be transparent
            has_alpha = any(is_transparent(one) for one in chain([frame], container.decode(stream)))
        color = color_of(frame)
        height, width = upright(frame, color, has_alpha).shape[:2]
        if min(height, width) < SMALLEST or height * width > MAX_PIXELS:
            raise InputError(
                f"{path} is {width} x {height} pixels, but each side needs {SMALLEST}, and {MAX_PIXELS:,} are the "
                "most: give a video of a usual size."
            )
        aspect = Fraction(stream.sample_aspect_ratio or 1)
        if round(frame.rotation / 90) % 2:
            aspect = 1 / aspect
        rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
        base = Fraction(stream.time_base or 1 / rate)
        start = (stream.start_time or 0) * base
        length = None if stream.duration is None else stream.duration * base
        depth = max(component.bits for component in frame.format.components)
        return Clip(path, height, width, aspect, has_alpha, depth, color, base, rate, start, length)


def is_transparent(frame: "av.VideoFrame") -> bool:
    """Whether anything shows through it."""
    return bool(frame.to_ndarray(format="rgba")[..., 3].min() < 255)


def read_recipe(path: FilePath) -> dict[str, Any] | None:
    """The recipe that `video` wrote as a comment, None where there is none. Raises InputError."""
    with opened(Path(path)) as container:
        comments = [text for key, text in container.metadata.items() if key.lower() == "comment"]
    return next((saving.parse_recipe(text.removeprefix("impasto ")) for text in comments), None)


@contextmanager
def opened(path: Path) -> Iterator["av.container.InputContainer"]:
    """Open a media file. Whatever FFmpeg says no to in the block becomes an InputError."""
    av = library("av")
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder: name a video file.")
        with path.open("rb") as file:
            file.read(1)
        with av.open(str(path), "r", metadata_errors="replace") as container:
            yield container
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: check the spelling and the folder.") from error
    except av.error.FFmpegError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"{path} is damaged, incomplete or no video ({reason}): save or download it again.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be opened ({error.strerror}): check the name and the disk.") from error


def stream_of(container: "av.container.InputContainer", path: Path) -> "av.VideoStream":
    """The first stream of moving pictures. Raises InputError where there is none."""
    for stream in container.streams.video:
        if not is_cover(stream):
            return stream
    raise InputError(f"{path} has no video in it, only {kinds(container)}: give a file with moving pictures.")


def is_cover(stream: "av.VideoStream") -> bool:
    """Whether a video stream is the cover of a song."""
    av = library("av")
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def kinds(container: "av.container.InputContainer") -> str:
    """What is in a file, in words."""
    return " and ".join(sorted({str(stream.type) for stream in container.streams})) or "nothing"


def alpha_decoder(stream: "av.VideoStream") -> "av.VideoCodecContext | None":
    """The decoder for a stream whose opacity the usual one leaves out, or None."""
    av = library("av")
    tagged = {key.lower(): value for key, value in stream.metadata.items()}
    name = ALPHA_DECODERS.get(stream.codec_context.name)
    if tagged.get("alpha_mode") != "1" or name is None:
        return None
    return av.codec.CodecContext.create(name, "r")


def color_of(frame: "av.VideoFrame") -> Color:
    """How a frame's numbers stand for colors; where it does not say, as its size suggests and as is usual."""
    matrix, range = int(frame.colorspace), int(frame.color_range)
    if matrix in (0, UNSPECIFIED):
        matrix = BT709 if frame.height >= HIGH_DEFINITION else BT601
    full = range == FULL or frame.format.name.startswith("yuvj") or frame.format.is_rgb
    return Color(matrix, FULL if full else LIMITED, int(frame.color_primaries), int(frame.color_trc))


def upright(frame: "av.VideoFrame", color: Color, has_alpha: bool) -> Picture:
    """A frame as RGB or RGBA, turned as its file says."""
    pixels = frame.to_ndarray(
        format="rgba" if has_alpha else "rgb24",
        src_colorspace=color.matrix,
        src_color_range=color.range,
        dst_color_range=FULL,
        interpolation="BICUBIC",
    )
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))
