"""rerun, verify and diff: a picture painted again from its recipe, and two pictures compared.

repeat = impasto.prepare("out.png", size=2048)   # finds the inputs, checks the options
painting = impasto.rerun("out.png", size=2048)   # the same, painted
impasto.verify("out.png").passed                 # painted again and compared
"""

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from impasto import images, ingredients, recipe, saving, scales, scene, transform
from impasto.errors import InputError, OptionError, WeightsError
from impasto.film.writing import CONTAINERS
from impasto.images import ImageSource
from impasto.opening import FilePath
from impasto.options import STARTS, Options, PaintOptions, StylizeOptions
from impasto.painting import Painting, PaintStep, State, last, run
from impasto.recipe import Instructions
from impasto.stylizer import stylize_steps
from impasto.synthesis import check_texture, check_tiling, texture_arguments
from impasto.threads import threads

FILES = ("start", "weights")  # inputs that are options
ALIKE = 40.0  # dB: above it two pictures are told apart by no eye, only by arithmetic


@dataclass(frozen=True)
class Repeat:
    """A picture's recipe with its inputs found, ready to paint; `notes` are sentences on what is not as it was.

    sources: by role, see `scene.sources`. style_weights: of several styles, by role. taken, threads: the step after which
    the picture was taken, and the threads it was computed with, if its recipe says so. weights_sha256: what the network
    must be. trunk: what it branched off, and after which step.
    """

    verb: str
    sources: Mapping[str, ImageSource]
    style_weights: Mapping[str, float]
    options: Options
    preset: str | None
    shape: tuple[int, int] | None
    seamless: bool
    taken: int | None
    threads: int | None
    weights_sha256: str | None
    notes: tuple[str, ...]
    trunk: "tuple[Repeat, int] | None" = None

    def __post_init__(self) -> None:
        if self.trunk is not None and getattr(self.options, "budget", None) is not None:
            raise OptionError(
                "--budget plans a painting from its beginning, and a branch goes on from a step: leave it out, and choose "
                "--steps."
            )

    def steps(
        self, on_download: Callable[[int, int], None] | None = None, state: State | None = None
    ) -> Iterator[PaintStep]:
        """Paint, from a state if given, yielding every step as `paint_steps` does; a branch without state from its root.

        Raises WeightsError where the network is another one.
        """
        if state is None and self.trunk is not None:
            state = yield from self.climb(*self.trunk, on_download)
        for step in self.begin(on_download, state):
            used = step.painting.recipe["weights_sha256"]
            if self.weights_sha256 not in (None, used):
                raise self.other_weights(used)
            yield self.told(step) if self.trunk else step

    def climb(
        self, trunk: "Repeat", at: int, on_download: Callable[[int, int], None] | None
    ) -> Generator[PaintStep, None, State]:
        """The steps of the trunk before the branch, which begins with the picture of the step `at`: a run keeps as much."""
        for step in trunk.steps(on_download):
            if step.index == at:
                state = to_branch_from(step)
                self.check_state(state, f"Step {at}")
                return state
            yield step
        raise InputError(f"The picture branched off at step {at}, and what it branched off ends before: paint it anew.")

    def told(self, step: PaintStep) -> PaintStep:
        """The step with its way to here in the recipe."""
        found, line, repeat = step.painting.recipe, list[tuple[int, Options]](), self
        while repeat.trunk is not None:
            repeat, at = repeat.trunk
            line.insert(0, (at, repeat.options))
        branch = recipe.branched(found["options"], line)
        return replace(step, painting=replace(step.painting, recipe={**found, "branch": branch}))

    def check_state(self, state: State, name: str) -> None:
        """Raise OptionError unless the options' plan has the state's place and its canvas there. name: of the state."""
        assert isinstance(self.options, PaintOptions)
        plan = scales.plan(self.options)
        margin = 0 if self.seamless else self.options.canvas_padding
        side = max(state.canvas.shape[2:]) - 2 * margin if state.canvas is not None else 0
        fits = 0 <= state.scale < len(plan) and state.step <= plan[state.scale].steps
        if not fits or plan[state.scale].size != side:
            raise OptionError(
                f"{name} stands at step {state.step} of a scale of {side} pixels, which these options do not have: leave "
                "--size, --min-scale, --scale-factor and --canvas-padding as they were and the steps no fewer, or use "
                "`impasto rerun`."
            )

    def begin(self, on_download: Callable[[int, int], None] | None, state: State | None) -> Iterator[PaintStep]:
        """The verb's own steps."""
        if isinstance(self.options, StylizeOptions):
            return stylize_steps(*self.parts(), self.options)
        assert isinstance(self.options, PaintOptions)
        if self.verb == "texture":
            load = partial(scene.load_texture, self.sources["style"], self.shape)
        else:
            load = partial(scene.load, *self.parts())
        return run(
            self.verb,
            load,
            self.options,
            self.preset,
            arguments=texture_arguments(self.shape, self.seamless) if self.verb == "texture" else {},
            seamless=self.seamless,
            on_download=on_download,
            state=state,
        )

    def parts(self) -> tuple[ImageSource, tuple[scene.Style, ...], ImageSource | None]:
        """Content, styles and what is protected. Raises OptionError for a style's weight that is none."""
        styles = scene.list_styles(scene.styles_among(self.sources, self.style_weights))
        return self.sources["content"], styles, self.sources.get("protect")

    def other_weights(self, used: str) -> WeightsError:
        """What to say where the network here is not the one that painted the picture."""
        was = f"The picture was painted with weights whose fingerprint begins with {str(self.weights_sha256)[:12]!a}, but "
        if not isinstance(self.options, PaintOptions):
            return WeightsError(f"{was}those that came with this impasto are {used[:12]!r}: stylize the photo anew.")
        backbone = self.options.backbone
        return WeightsError(
            f"{was}those of {backbone} here are {used[:12]!r}: name the right file with --weights, or ask for --backbone "
            f"{backbone} to take those that are here."
        )


def to_branch_from(step: PaintStep) -> State:
    """What a branch begins with after a step: its picture, no memory."""
    # a copy in a row, as one from a file is: sums then come out the same to the last bit
    return replace(step.state(), canvas=step.canvas.cpu().contiguous().clone(), memory={})


@dataclass(frozen=True)
class Verdict:
    """How near a picture painted again came: `psnr` in dB, infinite where every pixel is the same.

    notes: what has changed since, such as the number of threads, a line each.
    """

    psnr: float
    notes: tuple[str, ...]
    painting: Painting

    @property
    def identical(self) -> bool:
        """Whether every pixel of the file is the same."""
        return math.isinf(self.psnr)

    @property
    def passed(self) -> bool:
        """Whether it is the same picture to the eye."""
        return self.psnr > ALIKE

    def __str__(self) -> str:
        if self.identical:
            return "painted again, every pixel is the same."
        same = "the same picture to the eye" if self.passed else f"another picture: {ALIKE:g} dB would pass"
        return f"painted again, {self.psnr:.1f} dB apart, {same}."


@dataclass(frozen=True)
class Comparison:
    """Two pictures side by side: `lines` on their settings, `psnr` in dB and the picture of the difference, if it exists.

    difference: (1, 3, H, W), the absolute difference times `gain`, so that its largest value is 1.
    """

    lines: tuple[str, ...]
    psnr: float | None
    difference: Tensor | None
    gain: float

    def in_pixels(self) -> str:
        """A sentence on the pixels."""
        if self.psnr is None:
            return "pixels: of different sizes"
        if math.isinf(self.psnr):
            return "pixels: every one is the same"
        return f"pixels: {self.psnr:.1f} dB apart, at most {255 / self.gain:.0f} of 255"


def rerun(
    picture: FilePath,
    *,
    folders: Sequence[FilePath] = (),
    sources: Mapping[str, ImageSource] | None = None,
    on_step: Callable[[PaintStep], object] | None = None,
    **changes: Any,
) -> Painting:
    """Paint a picture again from its recipe, with some options changed: all steps, also of one that was stopped.

    Arguments and errors as of `prepare`; on_step as in `paint`.
    """
    return last(prepare(picture, folders=folders, sources=sources, **changes).steps(), on_step)


def verify(
    picture: FilePath,
    *,
    folders: Sequence[FilePath] = (),
    sources: Mapping[str, ImageSource] | None = None,
    on_step: Callable[[PaintStep], object] | None = None,
) -> Verdict:
    """Paint a picture again, as far as it was painted, and compare the files' pixels.

    On the same machine every pixel is the same, for as many threads are used as there were. Arguments and errors as of
    `prepare`; InputError, too, where the picture was cut or resized after painting.
    """
    steps = verification(prepare(picture, folders=folders, sources=sources))
    return judge(picture, last(steps, on_step))


def verification(repeat: Repeat, on_download: Callable[[int, int], None] | None = None) -> Iterator[PaintStep]:
    """The steps of a repeat up to the one after which its picture was taken, with as many threads as it had."""
    with threads(repeat.threads):
        for step in repeat.steps(on_download):
            yield step
            if step.index == repeat.taken:
                return


def judge(picture: FilePath, painting: Painting) -> Verdict:
    """Compare a picture with what its recipe gave. Raises InputError where it was cut or resized since."""
    found = recipe.read(picture)
    quality = found.get("quality")
    quality = quality if isinstance(quality, int) and 1 <= quality <= 100 else 95
    there = images.load(picture)
    again = images.load(painting.encode(saving.suffix_of(picture), quality=quality, with_recipe=False))
    if there.shape != again.shape:
        raise InputError(
            f"{picture} is {there.shape[3]} x {there.shape[2]} pixels, but its recipe makes {again.shape[3]} x "
            f"{again.shape[2]}: it was cut or resized after painting. Compare by eye with `impasto rerun`."
        )
    return Verdict(psnr(there, again), tuple(recipe.differences(found, {**found, **painting.recipe})), painting)


def diff(one: FilePath, other: FilePath) -> Comparison:
    """Compare two pictures, their recipes and their pixels. Raises InputError where one cannot be read."""
    recipes = [saving.read_recipe(picture) for picture in (one, other)]
    lines = [
        f"{picture} carries no recipe." for picture, found in zip((one, other), recipes, strict=True) if found is None
    ]
    if not lines:
        lines = recipe.differences(recipes[0] or {}, recipes[1] or {})
    first, second = images.load(one), images.load(other)
    if first.shape != second.shape:
        return Comparison(tuple(lines), None, None, 1.0)
    difference = (first - second).abs()
    gain = 1 / max(float(difference.max()), 1 / 255)
    return Comparison(tuple(lines), psnr(first, second), difference * gain, gain)


def psnr(one: Tensor, other: Tensor) -> float:
    """Peak signal to noise ratio in dB of two pictures of one shape in [0, 1]; infinite where they are equal."""
    error = float((one.double() - other.double()).square().mean())
    return -10 * math.log10(error) if error else math.inf


# ---------------------------------------------------------------------------------------------------- preparation


def prepare(
    picture: FilePath,
    *,
    folders: Sequence[FilePath] = (),
    sources: Mapping[str, ImageSource] | None = None,
    **changes: Any,
) -> Repeat:
    """Read a picture's recipe, find its inputs and check its options, with some of them changed.

    folders: where to look for inputs, before the picture's own folder and the working one. sources: role, such as "content"
    or "style" -> a picture that is taken instead of being looked for. Raises InputError or OptionError with a remedy.
    """
    if Path(picture).suffix.lower() in (transform.SUFFIX, *CONTAINERS):
        raise InputError(
            f"{picture} is no picture, and only pictures are painted again from their recipe: `impasto recipe` says what "
            "made it, and the same command makes it again."
        )
    places = [*map(Path, folders), Path(picture).parent, Path()]
    return prepare_from(recipe.read(picture), places, sources or {}, changes)


def prepare_from(
    found: Mapping[str, Any],
    folders: Sequence[Path],
    sources: Mapping[str, ImageSource],
    changes: Mapping[str, Any],
) -> Repeat:
    """`prepare` for a recipe that was read already; inputs are looked for in `folders` alone, and in the shipped ones."""
    wanted = recipe.understand(found)
    if "backbone" in changes:
        changes = {"weights": None, **changes}  # the recipe's own weights are those of its own backbone
    chosen = chosen_pictures(wanted, sources)
    sought = {role: entry for role, entry in wanted.inputs.items() if role not in changes and role not in chosen}
    inputs, notes = ingredients.find(sought, folders)
    roles = [role for role in dict.fromkeys([*wanted.inputs, *chosen]) if role not in FILES]
    pictures = {role: chosen[role] if role in chosen else inputs[role] for role in roles}
    check_pictures(wanted.verb, pictures)
    options = own_options(wanted, {role: str(inputs[role]) for role in FILES if role in inputs}, changes)
    repeat = Repeat(
        wanted.verb,
        pictures,
        style_weights(wanted),
        options,
        wanted.preset,
        shape_of(wanted, options),
        wanted.verb == "texture" and wanted.seamless,
        wanted.steps,
        wanted.threads,
        None if "weights" in changes else wanted.weights_sha256,
        (*wanted.notes, *notes),
    )
    trunk = None
    for at, differing in wanted.branch:
        trunk = replace(repeat, **other_options(repeat, differing), trunk=trunk), at
    return replace(repeat, trunk=trunk)


def other_options(repeat: Repeat, differing: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a repeat's trunk that differ. Raises InputError for files, of which the recipe has no hash."""
    if differing.get("start") not in (None, *STARTS) or differing.get("weights") is not None:
        raise InputError(
            "The picture branched off a painting with a start or weights of its own, which its recipe does not hold: "
            "`impasto resume` its run instead."
        )
    known = {} if {"backbone", "weights"}.isdisjoint(differing) else {"weights_sha256": None}
    return {"options": repeat.options.replace(**differing), **known}


def chosen_pictures(wanted: Instructions, given: Mapping[str, ImageSource]) -> dict[str, ImageSource]:
    """The pictures that the caller names, checked; a reconstruction has one picture in both roles."""
    for role in given:
        if wanted.verb == "texture" and role == "content":
            raise OptionError("A texture has no content. Leave --content out.")
    if wanted.verb == "reconstruct" and given:
        return dict.fromkeys(("content", "style"), next(iter(given.values())))
    return dict(given)


def style_weights(wanted: Instructions) -> dict[str, float]:
    """The weights of several styles, by role; whether they are any good shows where they are used."""
    return {role: entry["weight"] for role, entry in wanted.inputs.items() if "weight" in entry}


def check_pictures(verb: str, pictures: Mapping[str, ImageSource]) -> None:
    """Raise InputError where a recipe lacks a picture that its verb needs."""
    for role in ("style",) if verb == "texture" else ("content", "style"):
        if role not in pictures:
            raise InputError(f"The recipe does not say which {role} it was painted from: name it with --{role} FILE.")


def own_options(wanted: Instructions, files: Mapping[str, str], changes: Mapping[str, Any]) -> Options:
    """The recipe's options with the files that were found in the place of names, and with the changes."""
    if not isinstance(wanted.options, PaintOptions):
        return wanted.options.replace(**changes)
    named = {"start": wanted.options.start not in STARTS, "weights": wanted.options.weights is not None}
    for role in FILES:
        if named[role] and role not in {*files, *changes}:
            raise InputError(f"The recipe names {role} of its own but not their hash: name the file with --{role}.")
    strength = changes.get("strength", wanted.options.strength)
    if "content_weight" in changes and strength is not None:
        raise OptionError(
            f"--strength {strength:g} finds the content weight: change --strength instead of --content-weight."
        )
    return wanted.options.replace(**{**files, **changes})


def shape_of(wanted: Instructions, options: Options) -> tuple[int, int] | None:
    """The (height, width) of a texture, at another size in the same aspect; checks that it can be made."""
    if wanted.verb != "texture" or not isinstance(options, PaintOptions):
        return None
    check_texture(options)
    shape = wanted.shape or ((options.size, options.size) if wanted.seamless else None)
    if shape is not None:
        shape = images.fit(*shape, options.size)
    if shape is not None and wanted.seamless:
        check_tiling(shape, options)
    return shape
