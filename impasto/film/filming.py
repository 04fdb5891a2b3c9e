"""video(clip, style): frames in, painted frames out, as they are finished."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

import impasto
from impasto import machine, recipe, scene
from impasto.bundle import flag
from impasto.errors import ImpastoError, InputError, OptionError
from impasto.film import flow as flows
from impasto.film import methods, reading, sinks, stage, times
from impasto.film.folder import LENGTH, Folder, read_description
from impasto.film.reading import Clip, Picture
from impasto.film.reel import ENCORE, Film, Frame
from impasto.film.sinks import Sink
from impasto.images import ImageSource
from impasto.opening import FilePath
from impasto.options import Options, PaintOptions, StylizeOptions, VideoOptions
from impasto.presets import options_for
from impasto.scene import Style, Styles
from impasto.threads import threads

Moment: TypeAlias = str | float | Fraction  # 12.5, "12.5", "01:12.5"


def video(
    source: FilePath,
    style: Styles,
    target: FilePath | None = None,
    options: VideoOptions | None = None,
    painting: PaintOptions | StylizeOptions | None = None,
    *,
    preset: str | None = None,
    begin: Moment | None = None,
    end: Moment | None = None,
    moments: Sequence[Moment] = (),
    protect: ImageSource | None = None,
    flow: flows.Flow = flows.dis,
    on_note: Callable[[str], object] = lambda note: None,
    **given: Any,
) -> Iterator[Frame]:
    """Paint a video in the manner of `style`; yields every frame when it is finished.

    source: a video file. style, protect: as in `paint`. target: .mp4, .mov, .mkv, .webm, .gif or a folder; what is finished
    is kept beside it in TARGET.work until all is, so a video that was stopped goes on. Without target, frames are only
    yielded. options: of the video; painting: of its pictures, PaintOptions for the methods frame and steady,
    StylizeOptions for fast, if left out those of `preset`; single options of both go before. begin, end: the part, in
    seconds or as "01:12.5". moments: when each style is alone, in the same form; in between one changes into the next.
    flow: see `film.flow`. on_note: called with sentences on what the result could not keep.

    Size is that of the video unless given. Raises InputError, OptionError, OutputError or WeightsError; where the video is
    damaged, after writing what was finished before.
    """
    settings, rest = settings_of(options, given)
    clip = reading.read(source).part(moment(begin, "--from"), moment(end, "--to"), settings.every)
    if settings.loop and settings.loop > clip.count > 0:
        on_note(f"--loop is {settings.loop}, and there are {clip.count} frames: all of them are led into.")
    painting = painting_of(settings, painting, preset, rest, max(clip.height, clip.width))
    styles = scene.list_styles(style)
    changes = times.check_moments([moment(each, "The time of a style") for each in moments], len(styles))
    prepared = stage.prepare(
        next(clip.shots()), styles, changes, protect, painting, machine.choose_device(painting.device)
    )
    if target is None:
        film = Film(clip, prepared, settings, methods.make(prepared, settings), flow)
        with threads(film.method.threads):
            yield from film.frames(None)
        return
    target = Path(target)
    sinks.check(target, source)
    sink = sinks.choose(target, clip, settings)
    for lost in sinks.losses(sink, clip):
        on_note(lost)
    notes = description(clip, styles, changes, protect, prepared.options, settings)
    work = target.with_name(f"{target.name}.work")
    with threads((read_description(work) or {}).get("threads")):  # what an engine sums depends on it
        film = Film(clip, prepared, settings, methods.make(prepared, settings), flow)
    folder = Folder.open(work, notes)
    try:
        with threads(film.method.threads or folder.threads):
            yield from produced(film, folder, sink, target, notes, on_note)
    except ImpastoError:
        if folder.is_empty():
            folder.remove()
        raise
    finally:
        folder.lock.release()


def produced(
    film: Film, folder: Folder, sink: Sink, target: Path, notes: dict[str, Any], on_note: Callable[[str], object]
) -> Iterator[Frame]:
    """Pass the frames on, encode every segment that is finished, and at the end make the file of them.

    Where the video turns out to be damaged, the file is made of what was finished before, and then that is said.
    """
    times: list[Fraction] = []
    loop, kept = film.settings.loop, film.length
    damage: InputError | None = None
    last = Fraction(0)
    with ThreadPoolExecutor(1, "encoder") as encoder, closing(film.frames(folder, sink.holds_alpha)) as frames:
        encoded = encoder.submit(lambda: None)
        while True:
            try:
                frame = next(frames, None)
            except InputError as error:
                damage = error
                break
            if frame is None:
                break
            if frame.index < ENCORE:
                times.append(frame.time + film.clip.shift)
                last = frame.duration
                done = len(times)
                if done % LENGTH == 0 and done - LENGTH >= loop:
                    encoded.result()
                    encoded = encoder.submit(put_away, folder, sink, done, kept)
            yield frame
        encoded.result()
    if not times:
        assert damage is not None
        raise damage
    finished = 0 if damage else loop
    segments = range(-(-len(times) // LENGTH))
    for number in segments:
        encode(folder, sink, number, len(times), finished)
    for note in sink.finish([folder.segment(number) for number in segments], times, last, tags(notes)):
        on_note(note)
    folder.remove()
    if damage is not None:
        raise InputError(f"{damage} The {len(times)} frames before that are in {target}.") from damage


def put_away(folder: Folder, sink: Sink, done: int, kept: int) -> None:
    """Encode the last segment of `done` frames, and remove what no later frame looks back to: all but the last `kept`."""
    encode(folder, sink, done // LENGTH - 1, done, 0)
    folder.drop(range(done - LENGTH - kept, done - kept))


def encode(folder: Folder, sink: Sink, number: int, count: int, loop: int) -> None:
    """Encode a segment, if it is not there yet, of a video of `count` frames; the first `loop` are led into by the last."""
    if folder.segment(number).exists():
        return
    indices = range(number * LENGTH, min(count, (number + 1) * LENGTH))
    pictures = [led_into(folder, index, loop) if index < loop else folder.picture(index) for index in indices]
    sink.encode(pictures, indices[0], folder.segment(number))


def led_into(folder: Folder, index: int, loop: int) -> Picture:
    """A frame at the beginning of a loop: from its second painting, which follows on the last frame, to its first.

    Both paint the same frame, so nothing is seen double. A mean of two is paler than either: its mean and deviation are
    brought to theirs, channel by channel, which keeps a loop from darkening.
    """
    first, second = (folder.picture(key).astype(np.float32) for key in (index, ENCORE + index))
    way = (index + 1) / (loop + 1)
    mixed = first * way + second * (1 - way)
    mean, deviation = (
        way * measure(first, (0, 1)) + (1 - way) * measure(second, (0, 1)) for measure in (np.mean, np.std)
    )
    even = (mixed - mixed.mean((0, 1))) * (deviation / np.maximum(mixed.std((0, 1)), 1e-3)) + mean
    return even.round().clip(0, 255).astype(np.uint8)


# ------------------------------------------------------------------------------------------------------- settings


def settings_of(options: VideoOptions | None, given: Mapping[str, Any]) -> tuple[VideoOptions, dict[str, Any]]:
    """The options of the video, and what is given beside them: those of its pictures. Raises OptionError."""
    names = {declared.name for declared in fields(VideoOptions)}
    mine = {name: value for name, value in given.items() if name in names}
    rest = {name: value for name, value in given.items() if name not in names}
    return VideoOptions.make(**mine) if options is None else options.replace(**mine), rest


def painting_of(
    settings: VideoOptions,
    painting: PaintOptions | StylizeOptions | None,
    preset: str | None,
    given: Mapping[str, Any],
    size: int,
) -> PaintOptions | StylizeOptions:
    """The options of the method that is named. size: what is taken if none is given. Raises OptionError for another's."""
    fast = settings.method == "fast"
    kind, other = (StylizeOptions, PaintOptions) if fast else (PaintOptions, StylizeOptions)
    known, foreign = ({declared.name for declared in fields(bundle)} for bundle in (kind, other))
    if "budget" in given or getattr(painting, "budget", None) is not None:
        raise OptionError("--budget plans one picture, not a video's. Leave it out, and choose --steps or --touches.")
    for name in given:
        if name not in known and name in foreign:
            raise OptionError(
                f"{flag(name)} says nothing to --method {settings.method}: leave it out, or choose --method "
                f"{'steady' if fast else 'fast'}."
            )
    if fast and preset is not None:
        raise OptionError("--preset is a recipe of the optimiser: leave it out, or choose --method steady.")
    if painting is None:
        given = {"size": size, **given}
        return StylizeOptions.make(**given) if fast else options_for(preset or "default", **given)
    if not isinstance(painting, kind):
        raise OptionError(f"--method {settings.method} takes {kind.__name__}: give these, or choose another method.")
    return painting.replace(**given)


def moment(value: Moment | None, name: str) -> Fraction | None:
    """A time that was given in words or seconds. Raises OptionError."""
    if isinstance(value, str | None):
        return None if value is None else times.seconds(value, name)
    if not 0 <= value < float("inf"):
        raise OptionError(f"{name} is {value}; it must be a number of seconds of at least 0.")
    return Fraction(value).limit_denominator(1_000_000)


def description(
    clip: Clip,
    styles: Sequence[Style],
    changes: Sequence[Fraction] | None,
    protect: ImageSource | None,
    painting: Options,
    settings: VideoOptions,
) -> dict[str, Any]:
    """What is made of what, as plain data: a recipe, and by which a work folder is known again."""
    inputs = scene.fingerprints(scene.sources(clip.path, styles, protect), styles)
    times = {"begin": clip.begin, "end": clip.end, "moments": changes}
    words = {name: None if value is None else str(value) for name, value in times.items() if name != "moments"}
    return {
        "verb": "video",
        "version": impasto.__version__,
        "inputs": inputs,
        "arguments": {**words, "moments": None if changes is None else [str(each) for each in changes]},
        "video": settings.as_dict(),
        "options": recipe.settings(painting),
    }


def tags(notes: dict[str, Any]) -> dict[str, str]:
    """The recipe as a tag of the file."""
    return {"comment": "impasto " + json.dumps(notes)}
