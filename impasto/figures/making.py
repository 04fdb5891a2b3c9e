"""The cells of a figure that are not in the cache folder yet, and the sheet of them all.

A job's name in the cache is the hash of everything that makes its picture, so a figure that was stopped continues, and one
that was changed makes only what changed.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import impasto
from impasto import images, recipe, saving
from impasto.backbones import BACKBONES
from impasto.equipment import option_files
from impasto.figures.layout import Job, Made, Plan
from impasto.opening import FilePath
from impasto.options import PaintOptions, StylizeOptions
from impasto.painting import Painting, PaintStep, last, paint_steps
from impasto.sheets import Cell, Sheet
from impasto.shipped import ASSETS
from impasto.stylizer import stylize
from impasto.synthesis import reconstruct_steps, texture_steps


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
            saving.write(json.dumps(painting.history).encode(), losses)  # first: where the picture is, all is
            painting.save(picture)
        yield Made(job, images.load(picture), saving.read_recipe(picture) or {}, json.loads(losses.read_bytes()))


def key(job: Job) -> str:
    """Hash of everything that makes the picture: verb, options, pictures, the network's file, and impasto's version."""
    files = {**job.sources, **option_files(job.options)}
    parts = {
        "impasto": impasto.__version__,
        "verb": job.verb,
        "options": job.options.as_dict(),
        "sources": {role: recipe.fingerprint(path)["sha256"] for role, path in files.items()},
        "networks": [recipe.fingerprint(file)["sha256"] for file in network_files(job.options)],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]


def network_files(options: PaintOptions | StylizeOptions) -> list[Path]:
    """The files of weights that come with the package; a downloaded one is known by its name."""
    presto = ASSETS / "presto.safetensors"
    if isinstance(options, StylizeOptions):
        return [presto]
    begun = [presto] if options.start == "presto" else []
    shipped = options.weights is None and BACKBONES[options.backbone].shipped
    return [*begun, ASSETS / f"{options.backbone}.safetensors"] if shipped else begun


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
