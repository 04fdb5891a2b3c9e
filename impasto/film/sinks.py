"""Where painted frames go: a video file, a GIF or a folder of pictures, behind one interface."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image

from impasto import saving
from impasto.errors import OptionError, OutputError
from impasto.film.extra import library
from impasto.film.reading import Clip, Picture, opened
from impasto.film.writing import CODECS, Codec, codec_for, join, write_segment, writing
from impasto.opening import FilePath
from impasto.options import VideoOptions

# pictures, number of the first, segment -> None: encode a segment
Encode = Callable[[Sequence[Picture], int, Path], None]
# segments, times of the frames, duration of the last one, metadata -> sentences on what could not be kept
Finish = Callable[[Sequence[Path], Sequence[Fraction], Fraction, dict[str, str]], list[str]]


@dataclass(frozen=True)
class Sink:
    """What becomes of finished pictures. holds_alpha: whether it can be transparent."""

    encode: Encode
    finish: Finish
    holds_alpha: bool


def choose(target: Path, clip: Clip, options: VideoOptions) -> Sink:
    """The sink that the target's name asks for: a folder where it has no suffix. Raises OptionError or OutputError."""
    suffix = "" if target.is_dir() else target.suffix.lower()
    if suffix in ("", ".gif") and (options.codec, options.crf) != (VideoOptions.codec, VideoOptions.crf):
        raise OptionError(f"--codec and --crf say nothing to {target}: leave them out, or choose .mp4, .mkv or .webm.")
    if not suffix:
        return Sink(partial(write_pictures, target), partial(note_times, target, clip), True)
    if suffix == ".gif":
        lossless = partial(encode_segment, clip, CODECS["ffv1"], None)
        return Sink(lossless, partial(write_gif, target, clip), True)
    codec = codec_for(suffix, options.codec)
    encode = partial(encode_segment, clip, codec, options.crf)
    return Sink(encode, partial(write_file, target, clip), codec.alpha is not None)


def losses(sink: Sink, clip: Clip) -> list[str]:
    """Sentences on what of a video's pictures a sink does not keep."""
    found = []
    if clip.depth > 8:
        found.append(f"The video has {clip.depth} bits a channel; what is painted has 8.")
    if clip.has_alpha and not sink.holds_alpha:
        found.append("The file holds no opacity: what is transparent is white. .webm, .gif and --codec prores hold it.")
    return found


def check(target: Path, source: FilePath) -> None:
    """Raise OutputError where the target cannot be written or is the source."""
    if target.suffix and not target.is_dir():
        saving.check_writable(target)
        if target.exists() and target.samefile(source):
            raise OutputError(f"{target} is also the input, which would be lost: choose another name.")
        return
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"There cannot be a folder {target} ({error.strerror}): choose another -o.") from error


def encode_segment(
    clip: Clip, codec: Codec, crf: int | None, pictures: Sequence[Picture], first: int, path: Path
) -> None:
    """As `writing.write_segment`."""
    write_segment(pictures, path, clip, codec, crf)


def write_file(
    target: Path,
    clip: Clip,
    segments: Sequence[Path],
    times: Sequence[Fraction],
    last: Fraction,
    metadata: dict[str, str],
) -> list[str]:
    """Join the segments, with sound and subtitles; see `writing.join`."""
    return join(segments, times, last, clip, target, metadata)


def write_pictures(target: Path, pictures: Sequence[Picture], first: int, path: Path) -> None:
    """Write frame-000001.png and so on; an empty file stands for the segment. Raises OutputError."""
    for number, picture in enumerate(pictures, first + 1):
        buffer = BytesIO()
        Image.fromarray(picture).save(buffer, "PNG", compress_level=4)
        saving.write(buffer.getvalue(), target / f"frame-{number:06d}.png")
    saving.write(b"", path)


def note_times(
    target: Path,
    clip: Clip,
    segments: Sequence[Path],
    times: Sequence[Fraction],
    last: Fraction,
    metadata: dict[str, str],
) -> list[str]:
    """Write times.csv beside the pictures: when each is shown, in seconds."""
    rows = [f"frame-{number:06d}.png,{float(time - clip.shift):.6f}" for number, time in enumerate(times, 1)]
    saving.write(("picture,seconds\n" + "\n".join(rows) + "\n").encode(), target / "times.csv")
    return ["A folder of pictures holds no sound."] if has_sound(clip) else []


def write_gif(
    target: Path,
    clip: Clip,
    segments: Sequence[Path],
    times: Sequence[Fraction],
    last: Fraction,
    metadata: dict[str, str],
) -> list[str]:
    """Write a GIF that repeats, all frames in one palette, which is made from all of them.

    Dots are set by a fixed pattern and not by the error of their neighbors, so that what stands still does not crawl.
    Times are rounded to hundredths of a second, which is all that a GIF knows; their sum stays right. Of frames that would
    have the same time, the last one stays. Raises OutputError.
    """
    av = library("av")
    ticks = [round((time - times[0]) * 100) for time in (*times, times[-1] + last)]
    graph = av.filter.Graph()
    with opened(segments[0]) as first:
        template = first.streams.video[0]
        source = graph.add_buffer(template=template, time_base=Fraction(1, 100))
        split, palette = graph.add("split"), graph.add("palettegen", "stats_mode=full")
        use, sink = graph.add("paletteuse", "dither=bayer:bayer_scale=3:diff_mode=rectangle"), graph.add("buffersink")
        source.link_to(split)
        split.link_to(palette, 0)
        split.link_to(use, 1, 0)
        palette.link_to(use, 0, 1)
        use.link_to(sink)
        graph.configure()
        with writing(target, "gif") as container:
            stream = container.add_stream("gif", rate=100)
            stream.width, stream.height, stream.pix_fmt = template.width, template.height, "pal8"
            stream.time_base = stream.codec_context.time_base = Fraction(1, 100)
            for tick, frame in zip(ticks, segment_frames(segments), strict=False):
                frame.pts, frame.time_base = tick, Fraction(1, 100)
                graph.push(frame)
            graph.push(None)
            for tick, following in pairwise(ticks):
                frame = graph.pull()
                if following == tick:
                    continue
                frame.pts, frame.time_base = tick, Fraction(1, 100)
                for packet in stream.encode(frame):
                    packet.duration = following - tick
                    container.mux(packet)
            container.mux(stream.encode(None))
    notes = ["A GIF holds no sound."] if has_sound(clip) else []
    lost = sum(following == tick for tick, following in pairwise(ticks))
    return [*notes, f"A GIF holds at most 100 frames a second: {lost} are left out."] if lost else notes


def segment_frames(segments: Sequence[Path]) -> Iterator[Any]:
    """The frames of all segments, decoded."""
    for segment in segments:
        with opened(segment) as container:
            yield from container.decode(container.streams.video[0])


def has_sound(clip: Clip) -> bool:
    """Whether there is sound that a result could be missing."""
    with opened(clip.path) as container:
        return bool(container.streams.audio)
