"""Figures: the field's sheets of pictures as code. Named, cached picture by picture, resumable.

A figure is a row of `FIGURES`: a plan function and what it fixes. The plan lays out `Job`s, one for each cell, from the
pictures given; `cells` makes those that are not in the cache folder yet, and `sheet` puts them together. A job's name in
the cache is the hash of everything that makes its picture, so a figure that was stopped continues, and one that was
changed makes only what changed.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

import impasto
from impasto import images, recipe
from impasto.backbones import BACKBONES
from impasto.errors import OptionError
from impasto.images import FilePath
from impasto.options import PaintOptions, StylizeOptions
from impasto.painting import Painting, PaintStep, last, paint_steps
from impasto.presets import options_for
from impasto.sheets import Cell, Sheet
from impasto.stylizer import stylize
from impasto.synthesis import reconstruct_options, reconstruct_steps, texture_options, texture_steps

Verb = Literal["show", "paint", "stylize", "texture", "reconstruct"]
ASSETS = Path(__file__).parent / "assets"
DEMO = ASSETS / "demo"
CONTENTS, STYLES = ("valley", "fauve"), ("swirl", "woodcut", "mosaic", "points", "fauve")
RELUS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
WINDOW = 5  # consecutive convolutions that a texture is made from, as in system C
WIDEST = 6  # pictures in a row, where there is but one

# A figure compares; where nothing else is asked for it does so in small and with the network that is there
SMALL = {"size": 256, "backbone": "petit", "pooling": "auto", "precision": "auto"}
# in a small picture a network sees more of the scene at once, and the default's content would dissolve
SMALL_DEFAULT = {"content_weight": 0.5}


@dataclass(frozen=True)
class Job:
    """One cell: a verb, the pictures it reads by role ("content", "style") and its options.

    note: what its caption says besides the seconds, from the finished cell. label: its name, where no column has it.
    """

    verb: Verb
    sources: Mapping[str, Path]
    options: PaintOptions | StylizeOptions
    note: Callable[["Made"], str] | None = None
    label: str = ""


@dataclass(frozen=True)
class Made:
    """A finished cell: the picture (1, 3, H, W) in [0, 1], its recipe, and the losses of every step."""

    job: Job
    image: Tensor
    recipe: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Plan:
    """A figure laid out: rows of jobs, None for a blank. curves: the losses are worth a plot of their own."""

    title: str
    caption: str
    rows: Sequence[str]
    columns: Sequence[str]
    jobs: Sequence[Sequence[Job | None]]
    slider: bool = False
    curves: bool = False

    @property
    def cells(self) -> list[Job]:
        """Every job, row by row."""
        return [job for row in self.jobs for job in row if job is not None]

    @property
    def names(self) -> list[str]:
        """What every job is called: by its column, and by its row where there are several."""
        several = len(list(filter(None, self.rows))) > 1
        return [
            " · ".join(filter(None, (row if several else "", column or job.label)))
            for row, jobs in zip(self.rows, self.jobs, strict=True)
            for column, job in zip(self.columns, jobs, strict=True)
            if job is not None
        ]


@dataclass(frozen=True)
class Brief:
    """What a plan function works from: the pictures, and options by verb with the caller's and the preset's in place."""

    contents: Sequence[Path]
    styles: Sequence[Path]
    preset: str
    given: Mapping[str, Any]  # what the caller and the figure fix, over the preset
    values: Sequence[float]  # of the quantity that the figure varies; none: the figure's own

    def paint(self, **changes: Any) -> PaintOptions:
        """Options of `paint` with `changes`."""
        return options_for(self.preset, **{**self.given, **changes})

    def stylize(self) -> StylizeOptions:
        """Options of `stylize`: those of the caller's that it has."""
        known = {declared.name for declared in fields(StylizeOptions)}
        own = {name: value for name, value in self.given.items() if name in known}
        return StylizeOptions(**own)

    def texture(self, **changes: Any) -> PaintOptions:
        """Options of `texture`, from plain noise as in the documents."""
        return texture_options(self.preset, **{**self.given, "content_weight": 0.0, "start": "noise", **changes})

    def reconstruct(self, layer: str, **changes: Any) -> PaintOptions:
        """Options of `reconstruct` from one layer."""
        return reconstruct_options(
            self.preset, layer, **{**self.given, "content_weight": 1.0, "start": "noise", **changes}
        )

    @property
    def size(self) -> int:
        """Longer side of a cell in pixels."""
        return self.paint().size

    @property
    def convolutions(self) -> list[str]:
        """Every convolution of the backbone, in order."""
        return [name for name in BACKBONES[self.paint().backbone].layers if name.startswith("conv")]

    @property
    def pairs(self) -> list[dict[str, Path]]:
        """Every content with every style."""
        return [{"content": content, "style": style} for content in self.contents for style in self.styles]

    @property
    def pair_heads(self) -> list[str]:
        """A row's head for every pair."""
        return [f"{pair['content'].stem} in {pair['style'].stem}" for pair in self.pairs]

    def show(self, path: Path) -> Job:
        """The picture itself, at the figure's size."""
        return Job("show", {"content": path}, PaintOptions(size=self.size))


def number(value: float) -> str:
    """1000000.0 -> 10⁶, 0.5 -> 0.5: powers of ten beyond three digits as such."""
    power = round(math.log10(value)) if value > 0 else 0
    if abs(power) >= 3 and math.isclose(value, 10.0**power):
        return "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{value:g}"


# -------------------------------------------------------------------------------------------------------- captions


def fidelity(made: Made) -> str:
    """Peak signal-to-noise ratio to the content, in decibels."""
    original = images.resize(images.load(made.job.sources["content"]), made.job.options.size)
    error = (made.image - original).square().mean().item()
    return f"{-10 * math.log10(max(error, 1e-10)):.1f} dB"


def final_loss(made: Made) -> str:
    """The loss of the last step."""
    return f"loss {made.recipe['loss']:.3g}"


# ----------------------------------------------------------------------------------------------------------- plans


def layers(brief: Brief, *, names: Sequence[str] = (), seeds: Sequence[int] = (0,)) -> Plan:
    """Content reconstructions: a row for each picture and seed, a column for each layer."""
    names = names or brief.convolutions
    rows, jobs = [], []
    for content in brief.contents:
        for seed in seeds:
            rows.append(content.stem + (f", noise {seed}" if len(seeds) > 1 else ""))
            sources = {"content": content}
            made = [Job("reconstruct", sources, brief.reconstruct(name, seed=seed), fidelity) for name in names]
            jobs.append([brief.show(content), *made])
    caption = "From noise, each picture matches one layer's features: what it lacks, the layer has let go."
    return Plan("What each layer keeps of the content", caption, rows, ["original", *names], jobs)


def styles(brief: Brief) -> Plan:
    """Style reconstructions from growing sets of layers."""
    sets = [RELUS[: i + 1] for i in range(len(RELUS))]
    heads = ["original", RELUS[0], *(f"+ {name}" for name in RELUS[1:])]
    caption = (
        "From noise, each picture matches the statistics of the layers named so far: the deeper, the larger the motifs."
    )
    return textures_of(brief, sets, heads, (0,), "What growing sets of layers keep of the style", caption)


def textures(brief: Brief, *, seeds: Sequence[int] = (0,)) -> Plan:
    """Textures from a window of consecutive convolutions slid over all of them."""
    names = brief.convolutions
    sets = [tuple(names[i : i + WINDOW]) for i in range(len(names) - WINDOW + 1)]
    heads = ["original", *(f"{chosen[0]} to {chosen[-1].removeprefix('conv')}" for chosen in sets)]
    caption = f"From noise, each picture matches the statistics of {WINDOW} consecutive convolutions."
    return textures_of(brief, sets, heads, seeds, "Textures from a sliding window of layers", caption)


def textures_of(
    brief: Brief, sets: Sequence[tuple[str, ...]], heads: Sequence[str], seeds: Sequence[int], title: str, caption: str
) -> Plan:
    """A row for each style and seed, a column for each set of layers."""
    rows, jobs = [], []
    for style in brief.styles:
        for seed in seeds:
            rows.append(style.stem + (f", noise {seed}" if len(seeds) > 1 else ""))
            made = [
                Job("texture", {"style": style}, brief.texture(style_layers=chosen, style_layer_weights=(), seed=seed))
                for chosen in sets
            ]
            jobs.append([brief.show(style), *made])
    return Plan(title, caption, rows, heads, jobs)


def sweep(
    brief: Brief,
    title: str,
    caption: str,
    columns: Mapping[str, Mapping[str, Any]],
    note: Callable[[Made], str] | None = None,
    slider: bool = False,
    curves: bool = False,
) -> Plan:
    """A row for each pair of pictures, a column for each set of changed options; before them the pair itself.

    With a slider the pair is left out: it is no step of the sweep.
    """
    jobs: list[list[Job | None]] = []
    for pair in brief.pairs:
        originals = [] if slider else map(brief.show, pair.values())
        jobs.append([*originals, *(Job("paint", pair, brief.paint(**changes), note) for changes in columns.values())])
    heads = [*([] if slider else ["photo", "painting"]), *columns]
    return Plan(title, caption, brief.pair_heads, heads, jobs, slider, curves)


def weights(brief: Brief, *, powers: Sequence[float] = ()) -> Plan:
    """The content weight by powers of ten around the preset's, or at the values given."""
    chosen = brief.paint()
    around = [chosen.content_weight * 10.0**power for power in range(-2, 4)]
    values = brief.values or powers or around
    caption = (
        f"Content weight by powers of ten, style weight {number(chosen.style_weight)}: "
        "the ratio means only what the normalisations make of it."
    )
    columns = {f"α = {number(value)}": {"content_weight": value} for value in values}
    return sweep(brief, "Content against style", caption, columns, slider=True)


def gallery(brief: Brief, *, fast: bool = False) -> Plan:
    """Contents down, styles across, with the originals at the edges; fast: by presto instead of optimised."""

    def job(content: Path, style: Path) -> Job:
        sources = {"content": content, "style": style}
        return Job("stylize", sources, brief.stylize()) if fast else Job("paint", sources, brief.paint())

    top = [None, *(brief.show(style) for style in brief.styles)]
    rest = [[brief.show(content), *(job(content, style) for style in brief.styles)] for content in brief.contents]
    heads = ["", *(content.stem for content in brief.contents)]
    caption = "By presto, in three passes each." if fast else "Every photo in every style, by one recipe."
    return Plan("Contents and styles", caption, heads, ["", *(style.stem for style in brief.styles)], [top, *rest])


def starts(brief: Brief) -> Plan:
    """Noise start against content start."""
    caption = "The same losses and steps, begun from noise and from the content."
    columns = {"from noise": {"start": "noise"}, "from the content": {"start": "content"}}
    return sweep(brief, "Where one starts", caption, columns, final_loss)


def seeds(brief: Brief) -> Plan:
    """A column for each seed of the noise that is started from."""
    columns = {f"noise {number(value)}": {"start": "noise", "seed": int(value)} for value in brief.values or (0, 1)}
    return sweep(brief, "Different noises, the same picture?", "All else is equal.", columns, final_loss)


def blend(brief: Brief) -> Plan:
    """The start is noise·α + content·(1-α)."""
    values = brief.values or [round(0.1 * i, 1) for i in range(11)]
    columns = {f"α = {value:g}": {"start": "content", "start_noise": value} for value in values}
    caption = "Begun from noise·α + content·(1 - α): the more noise, the freer the style."
    return sweep(brief, "A start between photo and noise", caption, columns, slider=True)


def optimisers(brief: Brief) -> Plan:
    """Adam against L-BFGS."""
    columns = {"Adam": {"optimizer": "adam"}, "L-BFGS": {"optimizer": "lbfgs"}}
    caption = "The same losses and as many evaluations."
    return sweep(brief, "Two optimisers", caption, columns, final_loss, curves=True)


def poolings(brief: Brief) -> Plan:
    """A column for each pooling."""
    columns = {f"{pooling} pooling": {"pooling": pooling} for pooling in ("average", "max", "l2")}
    caption = "The same network with its blocks joined in three ways. Losses of two networks are not comparable."
    return sweep(brief, "Pooling", caption, columns)


def sizes(brief: Brief) -> Plan:
    """A column for each size: half, one and two times the figure's."""
    values = [round(value) for value in brief.values] or [brief.size // 2, brief.size, brief.size * 2]
    columns = {f"{value} pixels": {"size": value} for value in values}
    return sweep(
        brief, "Sizes", "The style keeps its size in pixels, so its strokes are finer in a larger picture.", columns
    )


def basic_fast(brief: Brief) -> Plan:
    """System D's comparison: the optimiser's picture beside the feed-forward network's, with both times."""
    jobs = [
        [
            *map(brief.show, pair.values()),
            Job("paint", pair, brief.paint()),
            Job("stylize", pair, brief.stylize()),
        ]
        for pair in brief.pairs
    ]
    caption = "Basic: every picture is optimised. Fast: presto, three passes, which was trained once for all styles."
    return Plan("Basic and fast transfer", caption, brief.pair_heads, ["photo", "painting", "basic", "fast"], jobs)


def reconstructions(brief: Brief) -> Plan:
    """System B's figure 1: a content row above a style row, layer by layer."""
    content, style = layers(brief, names=RELUS), styles(brief)
    caption = "Above: from one layer's content features. Below: from the statistics of that layer and those before it."
    rows = [*(f"content: {head}" for head in content.rows), *(f"style: {head}" for head in style.rows)]
    return Plan("Content and style, layer by layer", caption, rows, content.columns, [*content.jobs, *style.jobs])


# ----------------------------------------------------------------------------------------------------------- table


@dataclass(frozen=True)
class Figure:
    """What a figure shows, its plan, how many of the shipped pictures it takes by default, and its preset.

    varies: whether it varies a number, whose values can be given.
    """

    shows: str
    plan: Callable[[Brief], Plan]
    contents: int = 1
    styles: int = 1
    preset: str = "default"
    varies: bool = False


TENS = [10.0**power for power in range(6)]
FIGURES: dict[str, Figure] = {
    "layers": Figure("content reconstructed from every convolution", layers, styles=0),
    "styles": Figure("style reconstructed from growing sets of layers", styles, contents=0),
    "textures": Figure("textures from a sliding window of layers", textures, contents=0),
    "weights": Figure("the content weight by powers of ten", weights, styles=2, varies=True),
    "gallery": Figure("contents by styles", gallery, contents=2, styles=4),
    "any-style": Figure("contents by styles, by presto", partial(gallery, fast=True), contents=2, styles=4),
    "starts": Figure("noise start against content start", starts, styles=2),
    "seeds": Figure("two noises side by side", seeds, varies=True),
    "blend": Figure("a start between photo and noise, with a slider", blend, varies=True),
    "optimisers": Figure("Adam against L-BFGS, with their curves", optimisers),
    "basic-fast": Figure("the optimiser against the feed-forward network, with times", basic_fast, styles=2),
    "pooling": Figure("average, max and L2 pooling", poolings),
    "sizes": Figure("the same pair small and large", sizes, varies=True),
    "gatys2015-styles": Figure("system A: one content in five styles", gallery, styles=5, preset="gatys2015"),
    "ryanchankh-fig1": Figure("system B: content and style layer by layer", reconstructions, preset="ryanchankh"),
    "ryanchankh-fig3": Figure("system B: one photo in five paintings", gallery, styles=5, preset="ryanchankh"),
    "assignment4-part1": Figure(
        "system C: every convolution's content, from two noises",
        partial(layers, seeds=(0, 1)), styles=0, preset="assignment4",
    ),
    "assignment4-part2": Figure(
        "system C: textures from five consecutive layers, from two noises",
        partial(textures, seeds=(0, 1)), contents=0, preset="assignment4",
    ),
    "assignment4-part3": Figure(
        "system C: content weight 1 to 10⁵ at style weight 10⁶, over four pairs",
        partial(weights, powers=TENS), contents=2, styles=2, preset="assignment4", varies=True,
    ),
    "assignment4-grid": Figure(
        "system C: two contents in two styles", gallery, contents=2, styles=2, preset="assignment4"
    ),
    "assignment4-starts": Figure("system C: noise start against content start", starts, preset="assignment4"),
    "assignment4-part4": Figure(
        "system C: noise·α + content·(1-α), with a slider", blend, preset="assignment4", varies=True
    ),
    "fast-comparison": Figure("system D: basic and fast, with both times", basic_fast, styles=5, preset="fast-basic"),
    "blog-example": Figure("system E: one pair, as the blog paints it", gallery, preset="blog"),
}  # fmt: skip


def figure(
    name: str,
    contents: Sequence[FilePath] = (),
    styles: Sequence[FilePath] = (),
    *,
    folder: FilePath,
    on_step: Callable[[PaintStep], object] | None = None,
    **given: Any,
) -> Sheet:
    """The sheet of a figure, ready for `sheets.save`. folder: where its finished pictures are kept.

    Other arguments are those of `plan`. Raises as `plan` and the verbs do.
    """
    laid = plan(name, contents, styles, **given)
    return sheet(laid, list(cells(laid, folder, on_step=on_step)))


def plan(
    name: str,
    contents: Sequence[FilePath] = (),
    styles: Sequence[FilePath] = (),
    *,
    preset: str | None = None,
    values: Sequence[float] = (),
    **given: Any,
) -> Plan:
    """Lay out the figure of that name.

    contents, styles: pictures; the shipped ones if none are given. preset: in place of the figure's own. values: of the
    quantity that the figure varies. given: single options, such as size=128. Raises OptionError or InputError.
    """
    if name not in FIGURES:
        raise OptionError(f"There is no figure {name!r}. Choose among {', '.join(FIGURES)}.")
    figure = FIGURES[name]
    for role, paths, count in (("content", contents, figure.contents), ("style", styles, figure.styles)):
        if paths and not count:
            raise OptionError(f"The figure {name} takes no {role} picture. Leave it out.")
    if values and not figure.varies:
        raise OptionError(f"The figure {name} varies no number. Leave --values out.")
    for path in (*contents, *styles):
        images.load_picture(path)  # what cannot be read is found before anything is painted
    chosen = preset or figure.preset
    brief = Brief(
        [Path(path) for path in contents] or [DEMO / f"{one}.jpg" for one in CONTENTS[: figure.contents]],
        [Path(path) for path in styles] or [DEMO / f"{one}.jpg" for one in STYLES[: figure.styles]],
        chosen,
        {**SMALL, **(SMALL_DEFAULT if chosen == "default" and given.get("strength") is None else {}), **given},
        values,
    )
    return folded(figure.plan(brief))


def folded(laid: Plan) -> Plan:
    """A single long row as several, each picture under its own name; a slider wants its row whole."""
    if len(laid.rows) > 1 or len(laid.columns) <= WIDEST or laid.slider:
        return laid
    jobs = [job and replace(job, label=head) for head, job in zip(laid.columns, laid.jobs[0], strict=True)]
    jobs += [None] * (-len(jobs) % WIDEST)
    rows = [jobs[start : start + WIDEST] for start in range(0, len(jobs), WIDEST)]
    return replace(laid, rows=[laid.rows[0]] + [""] * (len(rows) - 1), columns=[""] * WIDEST, jobs=rows)


# ---------------------------------------------------------------------------------------------------------- making


def cells(laid: Plan, folder: FilePath, *, on_step: Callable[[PaintStep], object] | None = None) -> Iterator[Made]:
    """Make what `folder` does not hold yet, and yield every cell as soon as it is there, in the plan's order.

    Raises as the verbs do; cells that were finished stay. on_step: called after every evaluation.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for job in laid.cells:
        picture, losses = folder / f"{key(job)}.png", folder / f"{key(job)}.json"
        if not picture.exists():
            painting = make(job, on_step)
            images.write(json.dumps(painting.history).encode(), losses)  # first: where the picture is, all is
            painting.save(picture)
        yield Made(job, images.load(picture), images.read_recipe(picture) or {}, json.loads(losses.read_bytes()))


def key(job: Job) -> str:
    """Hash of everything that makes the picture: verb, options, pictures, the network's file, and impasto's version."""
    file = network_file(job.options)
    parts = {
        "impasto": impasto.__version__,
        "verb": job.verb,
        "options": job.options.as_dict(),
        "sources": {role: recipe.fingerprint(path)["sha256"] for role, path in job.sources.items()},
        "network": recipe.fingerprint(file)["sha256"] if file else None,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]


def network_file(options: PaintOptions | StylizeOptions) -> Path | None:
    """The file of weights, if it is the user's or comes with the package; a downloaded one is known by its name."""
    if isinstance(options, StylizeOptions):
        return ASSETS / "presto.safetensors"
    if options.weights:
        return Path(options.weights)
    return ASSETS / f"{options.backbone}.safetensors" if BACKBONES[options.backbone].shipped else None


def make(job: Job, on_step: Callable[[PaintStep], object] | None = None) -> Painting:
    """The job's picture."""
    if isinstance(job.options, StylizeOptions):
        return stylize(job.sources["content"], job.sources["style"], job.options)
    if job.verb == "show":
        picture = images.resize(images.load(job.sources["content"]), job.options.size)
        return Painting(
            picture, {"verb": "show", "inputs": {"content": recipe.fingerprint(job.sources["content"])}}, []
        )
    if job.verb == "texture":
        return last(texture_steps(job.sources["style"], job.options), on_step)
    if job.verb == "reconstruct":
        return last(reconstruct_steps(job.sources["content"], job.options), on_step)
    return last(paint_steps(job.sources["content"], job.sources["style"], job.options), on_step)


def sheet(laid: Plan, made: Sequence[Made]) -> Sheet:
    """The plan with all its cells, in the order in which `cells` yields them."""
    finished = iter(made)
    rows = [[Cell(None) if job is None else cell(next(finished)) for job in row] for row in laid.jobs]
    return Sheet(laid.title, laid.caption, laid.rows, laid.columns, rows, laid.slider)


def cell(made: Made) -> Cell:
    """A cell of the sheet: its caption is the job's note and the seconds that it took."""
    words = [made.job.label, made.job.note(made) if made.job.note else ""]
    if "seconds" in made.recipe:
        seconds = made.recipe["seconds"]
        words.append(f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.2g} s")
    return Cell(made.image, " · ".join(filter(None, words)), made.recipe)


def histories(laid: Plan, made: Sequence[Made]) -> dict[str, Sequence[Mapping[str, Any]]]:
    """The losses of every cell that was optimised, by its name."""
    return {name: one.history for name, one in zip(laid.names, made, strict=True) if one.history}
