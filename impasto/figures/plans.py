"""The plan functions: what varies from cell to cell of a figure, and what its captions say."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from impasto import images
from impasto.figures.brief import Brief
from impasto.figures.layout import Job, Made, Plan

RELUS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
WINDOW = 5  # consecutive convolutions that a texture is made from, as in system C


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
    caption = "By presto, in two passes each." if fast else "Every photo in every style, by one recipe."
    return Plan("Contents and styles", caption, heads, ["", *(style.stem for style in brief.styles)], [top, *rest])


def starts(brief: Brief) -> Plan:
    """Noise start against content start."""
    caption = "The same losses and steps, begun from noise and from the content."
    steps = brief.paint(start="noise").steps
    columns = {
        "from noise": {"start": "noise", "steps": steps},
        "from the content": {"start": "content", "steps": steps},
    }
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
    caption = "The network sees as many pixels at once whatever the size: in a larger picture its strokes are finer."
    return sweep(brief, "Sizes", caption, columns)


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
    caption = "Basic: every picture is optimised. Fast: presto, two passes, which was trained once for all styles."
    return Plan("Basic and fast transfer", caption, brief.pair_heads, ["photo", "painting", "basic", "fast"], jobs)


def reconstructions(brief: Brief) -> Plan:
    """System B's figure 1: a content row above a style row, layer by layer."""
    content, style = layers(brief, names=RELUS), styles(brief)
    caption = "Above: from one layer's content features. Below: from the statistics of that layer and those before it."
    rows = [*(f"content: {head}" for head in content.rows), *(f"style: {head}" for head in style.rows)]
    return Plan("Content and style, layer by layer", caption, rows, content.columns, [*content.jobs, *style.jobs])
