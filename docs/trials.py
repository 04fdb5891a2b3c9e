"""Paint the comparisons of docs/recipe.md: what the default recipe was chosen against.

python docs/trials.py [NAME ...]        writes docs/images/trials/NAME.jpg
"""

import io
import sys
from pathlib import Path

import torch.nn.functional as F
from PIL import Image

import impasto
from impasto import images, sheets
from impasto.shipped import DEMO

HERE = Path(__file__).parent
SIZE = 384
PAIRS = (("valley", "swirl"), ("valley", "mosaic"))
WHOLE = (SIZE, PAIRS, ...)
# trial -> its size, its pairs, and which part it shows of them, enlarged, where these are others
SKY = (..., slice(40, 190), slice(20, 220))
CLOSER = {
    "optimiser": (720, PAIRS[:1], SKY),
    "variation": (512, PAIRS[:1], SKY),
    "small": (256, (("valley", "swirl"), ("valley", "woodcut")), ...),
}

# trial -> (what it compares, {column head: options})
RATIO = {"preset": "gatys2015", "backbone": "petit", "min_scale": 16384, "steps": 200}
PAPER = {"content_reduction": "half", "gram_normalization": "elements", "style_reduction": "quarter"}
TRIALS = {
    "ratio": (
        "One ratio of content to style in two normalisations, on a network with a mean activation of 1",
        {
            "raw V Vᵀ, 10⁴ (system A)": RATIO,
            "raw V Vᵀ, 10⁻⁴": {**RATIO, "content_weight": 1e-4},
            "the paper's, 10⁻⁴": {**RATIO, **PAPER, "content_weight": 1e-4},
            "the paper's, 10⁻⁶ (system B)": {**RATIO, **PAPER, "content_weight": 1e-6},
        },
    ),
    "statistics": (
        "What is matched at each layer",
        {
            "Wasserstein-2 (default)": {},
            "mean and covariance": {"style_loss": "moments"},
            "Gram": {"style_loss": "gram"},
        },
    ),
    "content": (
        "How the pull of the content grows: as the squared difference, or as its square",
        {
            "power 1, weight 0.03": {"content_power": 1.0, "content_weight": 0.03},
            "power 1, weight 0.1": {"content_power": 1.0, "content_weight": 0.1},
            "power 2 (default)": {},
        },
    ),
    "small": (
        "The content's weight in a small picture",
        {
            "0.03, as in a large one": {"content_weight": 0.03},
            "0.1, as at 512 pixels": {"content_weight": 0.1},
            "0.5 (default)": {},
        },
    ),
    "start": (
        "Where painting begins, and at which size",
        {
            "from presto's picture (default)": {},
            "the same, from half the size on": {"min_scale": SIZE // 2},
            "from the photo, from half the size on": {"start": "content", "min_scale": SIZE // 2, "first_steps": 100},
        },
    ),
    "optimiser": (
        "How the picture is moved, by as many evaluations: a part of the sky",
        {
            "L-BFGS": {"optimizer": "lbfgs"},
            "Adam as published": {"damping": 0.0},
            "damped Adam (default)": {},
        },
    ),
    "variation": (
        "Total variation against grain: a part of the sky",
        {f"weight {weight:g}": {"tv_weight": weight} for weight in (0.0, 0.05, 1.0)},
    ),
    "pooling": (
        "Pooling: petit was trained with averages",
        {name: {"pooling": name} for name in ("average", "max", "l2")},
    ),
}


def trial(name: str) -> sheets.Sheet:
    """The sheet of one trial: a row a pair of pictures, a column a setting."""
    title, settings = TRIALS[name]
    size, pairs, part = CLOSER.get(name, WHOLE)
    cells = []
    for content, style in pairs:
        row = []
        for given in settings.values():
            painting = impasto.paint(DEMO / f"{content}.jpg", DEMO / f"{style}.jpg", size=size, **given)
            shown = painting.image if part is ... else F.interpolate(painting.image[part], scale_factor=2)
            row.append(sheets.Cell(shown, ""))
        cells.append(row)
    rows = [f"{content}, {style}" for content, style in pairs]
    return sheets.Sheet(title, f"{size} pixels; python docs/trials.py {name}", rows, list(settings), cells)


def save_strip(title: str, caption: str, pictures: dict[str, Image.Image], path: Path) -> None:
    """Pictures in a row, each under its name, as a JPEG 1600 pixels wide."""
    cells = [sheets.Cell(images.load(one)) for one in pictures.values()]
    save_small(sheets.Sheet(title, caption, [""], list(pictures), [cells]), path, 1600)


def save_small(sheet: sheets.Sheet, path: Path, width: int = 1200) -> None:
    """As a JPEG so many pixels wide, which is enough for a page."""
    png = path.with_suffix(".png")
    sheets.save(sheet, png)
    picture = images.load_picture(png)
    png.unlink()
    picture.thumbnail((width, width), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=85, optimize=True, progressive=True)
    path.write_bytes(data.getvalue())


if __name__ == "__main__":
    (HERE / "images" / "trials").mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or TRIALS:
        save_small(trial(name), HERE / "images" / "trials" / f"{name}.jpg")
