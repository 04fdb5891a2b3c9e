"""Pictures into segments, and segments, with the sound and subtitles of the video they were painted from, into a file.

A segment is encoded once, when its pictures are finished, and closed: it needs no other. So joining copies packets, and a
video that was stopped has the same frames as one that was not. No frame is predicted from a later one, so packets come in
the order of frames and take their times from the input's frames, exactly.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from impasto.errors import OptionError, OutputError
from impasto.film.extra import library
from impasto.film.reading import FULL, Clip, Picture, opened

if TYPE_CHECKING:
    import av


@dataclass(frozen=True)
class Codec:
    """How pictures are encoded: FFmpeg's encoder, its options, and the pixel formats for what must be kept.

    crf: the default of --crf, None where the codec has none. even, odd: the formats of pictures with even sides, and of
    others; alpha: of transparent ones, None where there are none.
    """

    encoder: str
    crf: int | None
    even: str
    odd: str
    alpha: str | None = None
    options: dict[str, str] = field(default_factory=dict)


CODECS = {
    "h264": Codec("libx264", 18, "yuv420p", "yuv444p", options={"preset": "fast", "bf": "0"}),
    "hevc": Codec("libx265", 20, "yuv420p", "yuv444p", options={"x265-params": "bframes=0:log-level=none"}),
    "vp9": Codec("libvpx-vp9", 24, "yuv420p", "yuv420p", "yuva420p", {"b": "0", "row-mt": "1", "cpu-used": "3"}),
    "av1": Codec("libsvtav1", 26, "yuv420p", "yuv420p", options={"preset": "7", "svtav1-params": "pred-struct=1"}),
    "prores": Codec("prores_ks", None, "yuv422p10le", "yuv444p10le", "yuva444p10le"),
    "ffv1": Codec("ffv1", None, "bgr0", "bgr0", "bgra"),
}
# suffix -> FFmpeg's container, the codecs it holds (the first is the default), and the audio it is given if not a copy
CONTAINERS: dict[str, tuple[str, tuple[str, ...], str]] = {
    ".mp4": ("mp4", ("h264", "hevc", "av1", "vp9"), "aac"),
    ".m4v": ("mp4", ("h264", "hevc"), "aac"),
    ".mov": ("mov", ("h264", "hevc", "prores"), "aac"),
    ".mkv": ("matroska", ("h264", "hevc", "vp9", "av1", "prores", "ffv1"), "aac"),
    ".webm": ("webm", ("vp9", "av1"), "libopus"),
}
RGB_MATRIX = 0


def codec_for(suffix: str, name: str) -> Codec:
    """The codec of that name in a file of that suffix; "auto" is the usual one. Raises OptionError or OutputError."""
    if suffix not in CONTAINERS:
        raise OutputError(
            f"A video cannot be written with the suffix {suffix!r}: use {', '.join(CONTAINERS)}, .gif or a folder."
        )
    _, codecs, _ = CONTAINERS[suffix]
    if name == "auto":
        return CODECS[codecs[0]]
    if name not in codecs:
        raise OptionError(f"--codec {name} does not go into a {suffix} file. Choose one of {', '.join(codecs)}.")
    return CODECS[name]


@contextmanager
def writing(path: Path, format: str) -> Iterator["av.container.OutputContainer"]:
    """A media file, written aside and renamed when it is whole. What FFmpeg says no to becomes an OutputError."""
    av = library("av")
    aside = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
    try:
        with av.open(str(aside), "w", format=format) as container:
            yield container
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(path)
    except (av.error.FFmpegError, OSError) as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror}): free some space or choose another folder, then go on."
        ) from error
    finally:
        aside.unlink(missing_ok=True)


def write_segment(pictures: Sequence[Picture], path: Path, clip: Clip, codec: Codec, crf: int | None) -> None:
    """Encode pictures (H, W, 3 or 4) as a Matroska file of its own, in the colors of the clip. Raises OutputError."""
    av = library("av")
    os.environ.setdefault("SVT_LOG", "1")  # errors: SVT-AV1 says more on standard error, and has no other switch
    height, width, channels = pictures[0].shape
    transparent = codec.alpha if channels == 4 else None
    pixels = transparent or (codec.even if height % 2 == 0 == width % 2 else codec.odd)
    quality = codec.crf if crf is None else crf
    options = codec.options if quality is None else {**codec.options, "crf": str(quality)}
    with writing(path, "matroska") as container:
        stream: Any = container.add_stream(codec.encoder, rate=clip.rate, options=options)
        context = stream.codec_context
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        context.sample_aspect_ratio = clip.aspect
        context.gop_size = len(pictures)
        is_rgb = av.VideoFormat(pixels).is_rgb
        context.colorspace = RGB_MATRIX if is_rgb else clip.color.matrix
        context.color_range = FULL if is_rgb else clip.color.range
        context.color_primaries, context.color_trc = clip.color.primaries, clip.color.transfer
        for number, picture in enumerate(pictures):
            rgb = av.VideoFrame.from_ndarray(picture, format="rgba" if channels == 4 else "rgb24")
            frame = rgb.reformat(
                format=pixels,
                dst_colorspace=clip.color.matrix,
                src_color_range=FULL,
                dst_color_range=context.color_range,
                interpolation="BICUBIC",
            )
            frame.pts, frame.time_base = number, 1 / clip.rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def join(
    segments: Sequence[Path],
    times: Sequence[Fraction],
    last: Fraction,
    clip: Clip,
    path: Path,
    metadata: dict[str, str],
) -> list[str]:
    """Write segments as one file, with the sound and subtitles of the clip's part. What can be copied is not encoded.

    times: of every frame, in the file that was painted; last: duration of the last frame. Returns sentences on what could
    not be kept. Raises OutputError or InputError.
    """
    format, _, encoder = CONTAINERS[path.suffix.lower()]
    end = times[-1] + last
    with writing(path, format) as container, opened(segments[0]) as first, opened(clip.path) as source:
        container.metadata.update({**source.metadata, **metadata})
        picture = container.add_stream_from_template(first.streams.video[0], opaque=True)  # asks for no encoder of it
        picture.time_base = clip.time_base
        picture.metadata.update(first.streams.video[0].metadata)  # that there is opacity, for one
        others, notes = companions(source, container, path.suffix.lower(), encoder)
        durations = [later - time for time, later in zip(times, [*times[1:], end], strict=True)]
        frames = timed_packets(segments, picture, times, durations, clip)
        rest = copied_packets(source, others, clip, end)
        for packet in interleaved(frames, rest):
            container.mux(packet)
    return notes


def timed_packets(
    segments: Sequence[Path],
    stream: "av.VideoStream",
    times: Sequence[Fraction],
    durations: Sequence[Fraction],
    clip: Clip,
) -> Iterator["av.Packet[Any]"]:
    """The packets of all segments, in order, at the times of their frames."""
    number = 0
    for segment in segments:
        with opened(segment) as container:
            for packet in container.demux(container.streams.video[0]):
                if packet.size and number < len(times):
                    moment = round((times[number] - clip.shift) / clip.time_base)
                    packet.time_base = clip.time_base
                    packet.pts = packet.dts = moment
                    packet.duration = max(1, round(durations[number] / clip.time_base))
                    packet.stream = stream
                    number += 1
                    yield packet


Route = Callable[["av.Packet[Any]"], list["av.Packet[Any]"]]


def companions(
    source: "av.container.InputContainer", target: "av.container.OutputContainer", suffix: str, encoder: str
) -> tuple[dict[int, tuple["av.stream.Stream", Route]], list[str]]:
    """Sound and subtitles: stream index -> (stream of the result, what makes its packets); and what is lost."""
    routes: dict[int, tuple[Any, Route]] = {}
    notes = []
    stream: Any
    for stream in source.streams:
        if stream.type not in ("audio", "subtitle"):
            continue
        name = stream.codec_context.name if stream.codec_context else "unknown"
        if fits(target, name):
            copy = target.add_stream_from_template(stream, opaque=True)
            routes[stream.index] = copy, as_it_is
        elif stream.type == "audio":
            made: Any = target.add_stream(
                encoder, rate=48000 if encoder == "libopus" else stream.codec_context.sample_rate
            )
            made.layout = stream.layout
            routes[stream.index] = made, partial(encoded, made)
            notes.append(f"The sound, {name}, does not go into a {suffix} file and was encoded anew.")
        else:
            notes.append(f"Subtitles of the kind {name} do not go into a {suffix} file and were left out.")
            continue
        routes[stream.index][0].metadata.update(stream.metadata)
    return routes, notes


def fits(container: "av.container.OutputContainer", codec: str) -> bool:
    """Whether packets of a codec, by the name of its decoder, may be copied into a container."""
    av = library("av")
    held = container.supported_codecs
    try:
        return codec in held or av.Codec(codec, "r").canonical_name in held
    except (ValueError, AttributeError):
        return False


def as_it_is(packet: "av.Packet[Any]") -> list["av.Packet[Any]"]:
    """A packet that is copied; what is empty only says that there are no more."""
    return [packet] if packet.size else []


def encoded(stream: Any, packet: "av.Packet[Any]") -> list["av.Packet[Any]"]:
    """The packets of the same sound in the stream's codec; the last packet, which is empty, flushes."""
    packets = [made for frame in packet.decode() for made in stream.encode(frame)]
    return packets if packet.size else [*packets, *stream.encode(None)]


def copied_packets(
    source: "av.container.InputContainer",
    routes: dict[int, tuple["av.stream.Stream", Route]],
    clip: Clip,
    end: Fraction,
) -> Iterator["av.Packet[Any]"]:
    """Sound and subtitles of the part, moved to where it begins. A packet is kept if some of it is inside."""
    if not routes:
        return
    if clip.begin:
        source.seek(int((clip.shift - 1) * 1_000_000))  # in microseconds; a second early, for what is still sounding
    for packet in source.demux([stream for stream in source.streams if stream.index in routes]):
        stream, route = routes[packet.stream.index]
        base = packet.time_base
        if packet.pts is not None:
            over = (packet.pts + (packet.duration or 0)) * base <= clip.shift if clip.begin else False
            if over or packet.pts * base >= end:
                continue
            packet.pts -= round(clip.shift / base)
            packet.dts = packet.pts if packet.dts is None else packet.dts - round(clip.shift / base)
        for result in route(packet):
            result.stream = stream
            yield result


def interleaved(*streams: Iterator["av.Packet[Any]"]) -> Iterator["av.Packet[Any]"]:
    """Packets of several streams in the order of their times."""
    heads = {index: packet for index, stream in enumerate(streams) if (packet := next(stream, None)) is not None}
    while heads:
        index = min(heads, key=lambda index: (heads[index].dts or 0) * (heads[index].time_base or 1))
        yield heads[index]
        following = next(streams[index], None)
        if following is None:
            del heads[index]
        else:
            heads[index] = following
