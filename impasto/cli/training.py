"""Verbs about networks of one's own."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from impasto.cli.flags import TrainFlags, given
from impasto.cli.program import Quiet, TrainingPresetName, app
from impasto.options import FORMATS, FormatName


@app.command(usage="Usage: impasto train STYLE [STYLE ...] --photos FOLDER [OPTIONS]")
def train(
    styles: tuple[Path, ...],
    /,
    *,
    photos: Path | None = None,
    output: Annotated[Path | None, Parameter(name=["-o", "--output"])] = None,
    preset: TrainingPresetName = "default",
    save_every: int = 100,
    curve: Path | None = None,
    tensorboard: Path | None = None,
    quiet: Quiet = False,
    options: Annotated[TrainFlags, Parameter(name="*")] = TrainFlags(),
) -> int:
    """Train a network that paints in a style of your own in real time: `impasto stylize PHOTO NAME.safetensors`.

    Killed or stopped, the same command goes on where the checkpoint is. `torchrun --nproc-per-node 2 -m impasto train ...`
    trains with several processes.

    Parameters
    ----------
    styles
        Paintings; several make one network with several styles.
    photos
        A folder of photographs to learn on; a broken one is left out and named.
    output
        The network's file, STYLE.safetensors if left out. The checkpoint and a sheet of samples are written beside it.
    preset
        A recipe to start from.
    save_every
        Steps between two checkpoints, each with the network and the sheet as they stand.
    curve
        Draw the losses to this file with every checkpoint: .png, .pdf, .svg or .csv.
    tensorboard
        Write losses and samples to this folder, for TensorBoard.
    """
    from impasto.errors import InputError
    from impasto.outputs.trainings import Results, carry_out
    from impasto.presets import training_options

    if photos is None:
        raise InputError(
            "Training needs photographs: name a folder of them with --photos. A few hundred are enough, your own or those "
            "of a public set such as COCO (cocodataset.org)."
        )
    target = output or Path("-".join(path.stem for path in styles) + ".safetensors")
    results = Results(target, save_every, curve, tensorboard, quiet)
    return carry_out(styles, photos, training_options(preset, **given(options)), results)


@app.command
def export(
    network: Path,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["-o", "--output"])] = None,
    to: FormatName | None = None,
    style_weights: Annotated[tuple[float, ...], Parameter(consume_multiple=True, negative=())] = (),
    strength: float = 100.0,
    quiet: Quiet = False,
) -> int:
    """Write a trained network for other programs, for pictures of any size, or as a web page of its own.

    Parameters
    ----------
    network
        A file that `impasto train` wrote.
    output
        Where it goes: .onnx; .xml for OpenVINO, which has a .bin beside it; .pt for torch alone; .html for a browser.
    to
        The format, in place of a name for the result, which then is the network's with that format's suffix.
    style_weights
        Of a network with several styles, how much of each; the first alone if left out.
    strength
        How far to go from the photo, 0, to the style, 100.
    """
    import sys

    from impasto.errors import OutputError
    from impasto.exporting import export as write
    from impasto.options import StylizeOptions

    if output is None and to is None:
        raise OutputError(f"Name the result with -o, or its format with --to: {', '.join(FORMATS)}.")
    target = output or network.with_suffix(FORMATS[to or "onnx"])
    if to is not None and target.suffix.lower() != FORMATS[to]:
        raise OutputError(
            f"--to {to} makes a file that ends in {FORMATS[to]}, and -o names {target}. Give one of them."
        )

    chosen = StylizeOptions(style_weights=style_weights, strength=strength)  # which checks them
    apart = write(network, target, style_weights=chosen.style_weights, strength=chosen.strength)
    if not quiet:
        what = (
            "open it in a browser" if target.suffix == ".html" else "photo to painting, (1, 3, height, width) in [0, 1]"
        )
        print(f"{target}: {what}; {apart:.1g} from torch", file=sys.stderr)
    return 0
