"""Verbs that answer a question."""

import json
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from impasto.cli.flags import Flags, Options, given
from impasto.cli.program import PresetName, Quiet, app
from impasto.errors import OptionError
from impasto.options import BackboneName
from impasto.presets import PRESETS, options_for


@app.command
def presets(name: PresetName | None = None, /) -> int:
    """List the presets, or show every option of one.

    Parameters
    ----------
    name
        The preset to show whole.
    """
    if name is None:
        for key, preset in PRESETS.items():
            print(f"{key:12} {preset.reproduces}")
    else:
        print(PRESETS[name].reproduces)
        print(json.dumps(options_for(name).as_dict(), indent=1))
    return 0


@app.command(usage="Usage: impasto plan CONTENT STYLE [OPTIONS]")
def plan(content: Path, style: Path, /, *, preset: PresetName = "default", options: Options = Flags()) -> int:
    """Say what painting CONTENT in the manner of STYLE would take here, in time and memory, without painting.

    Parameters
    ----------
    content
        The picture to paint.
    style
        The picture whose manner is taken.
    preset
        A recipe to start from.
    """
    from impasto import machine, planning

    machine.keep_freed_memory()
    print(planning.plan(content, style, options_for(preset, **given(options))).line)
    return 0


@app.command
def recipe(picture: Path, /) -> int:
    """Show what made an impasto picture, video or trained network, as JSON.

    Parameters
    ----------
    picture
        A file that impasto wrote.
    """
    from impasto import saving, transform
    from impasto.film import reading, writing
    from impasto.recipe import read

    readers = {transform.SUFFIX: transform.read_recipe, **dict.fromkeys(writing.CONTAINERS, reading.read_recipe)}
    print(json.dumps(read(picture, readers.get(picture.suffix.lower(), saving.read_recipe)), indent=1))
    return 0


@app.command
def evaluate(
    picture: Path,
    /,
    *,
    content: Path,
    style: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())],
    backbone: BackboneName = "petit",
    output: Annotated[Path | None, Parameter(name=["-o", "--output"])] = None,
    json_file: Annotated[Path | None, Parameter(name="--json", allow_leading_hyphen=True)] = None,
) -> int:
    """Measure PICTURE against the photo and the style it was painted from, and look for faults.

    Parameters
    ----------
    picture
        The picture to judge, painted by impasto or by anything else; or a folder, whose pictures are judged together.
    content
        The photo; of a folder, the folder of its photos.
    style
        The style, or several with weights, as in `impasto paint`; of a folder, the folder of its styles.
    backbone
        The network that judges.
    output
        Draw a card to this file: .png, .pdf or .svg.
    json_file
        Write every figure to this file; "-" is standard output, in place of the text.
    """
    from impasto.cli.painting import weighed_style
    from impasto.folders import gather
    from impasto.opening import is_folder
    from impasto.outputs.reports import evaluate_folder, evaluate_picture

    weighed = [weighed_style(text) for text in style]
    if not is_folder(picture):
        return evaluate_picture(picture, content, weighed, backbone, output, json_file)
    if output is not None:
        raise OptionError("A card shows one picture, and a folder was given. Leave -o out, or name a picture.")
    styles = gather([str(path) for path, _ in weighed], "style")
    return evaluate_folder(
        gather([str(picture)], "picture"), gather([str(content)], "photo"), styles, backbone, json_file
    )


@app.command
def weights(name: Literal["vgg19", "vgg19-caffe", "vgg16"] | None = None, /, *, quiet: Quiet = False) -> int:
    """List the backbones and where their weights are, or fetch and verify one's.

    Parameters
    ----------
    name
        The backbone to fetch.
    """
    from rich.console import Console

    from impasto import weights as files
    from impasto.backbones import BACKBONES
    from impasto.outputs.terminal import DownloadProgress

    if name is None:
        for key, architecture in BACKBONES.items():
            here = architecture.shipped or (files.cache_folder() / f"{key}.safetensors").exists()
            print(f"{key:12} {'here' if here else 'not here':9} {architecture.description}")
        return 0
    with DownloadProgress(Console(stderr=True, quiet=quiet), name) as progress:
        files.cached(name, BACKBONES[name].shapes, on_progress=progress.show)
    return 0
