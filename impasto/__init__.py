"""impasto paints one picture in the manner of another: neural style transfer that works the minute it is installed.

    import impasto

    painting = impasto.paint("cat.jpg", "wave.jpg", size=800)
    painting.save("cat-wave.png")

Names are loaded when first used, so that `import impasto` costs nothing and the command line answers at once.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Threads that wait for each other sleep. Where they spin, as OpenMP lets them, a second thread makes painting many times
# slower as soon as anything else wants a core. It counts where torch has not been imported before.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

if TYPE_CHECKING:
    from impasto.coverage import scout
    from impasto.errors import DivergenceError, ImpastoError, InputError, OptionError, OutputError, WeightsError
    from impasto.evaluation import Report, evaluate
    from impasto.exporting import export
    from impasto.figures.table import figure
    from impasto.film.filming import video
    from impasto.film.reel import Frame
    from impasto.ingredients import embed
    from impasto.options import PaintOptions, StylizeOptions, TrainOptions, VideoOptions
    from impasto.painting import Painting, PaintStep, paint, paint_steps
    from impasto.presets import options_for
    from impasto.repeat import Comparison, Repeat, Verdict, diff, prepare, rerun, verify
    from impasto.saving import read_recipe
    from impasto.scene import Style
    from impasto.stylizer import Stylizer, stylize
    from impasto.synthesis import reconstruct, reconstruct_steps, texture, texture_steps
    from impasto.training import TrainStep, train

__all__ = [
    "Comparison",
    "DivergenceError",
    "Frame",
    "ImpastoError",
    "InputError",
    "OptionError",
    "OutputError",
    "PaintOptions",
    "PaintStep",
    "Painting",
    "Repeat",
    "Report",
    "Style",
    "StylizeOptions",
    "Stylizer",
    "TrainOptions",
    "TrainStep",
    "Verdict",
    "VideoOptions",
    "WeightsError",
    "__version__",
    "diff",
    "embed",
    "evaluate",
    "export",
    "figure",
    "options_for",
    "paint",
    "paint_steps",
    "prepare",
    "read_recipe",
    "reconstruct",
    "reconstruct_steps",
    "rerun",
    "scout",
    "stylize",
    "texture",
    "texture_steps",
    "train",
    "verify",
    "video",
]

# module -> its public names
_HOMES = {
    "coverage": ("scout",),
    "errors": ("DivergenceError", "ImpastoError", "InputError", "OptionError", "OutputError", "WeightsError"),
    "evaluation": ("Report", "evaluate"),
    "exporting": ("export",),
    "figures.table": ("figure",),
    "film.filming": ("video",),
    "film.reel": ("Frame",),
    "ingredients": ("embed",),
    "options": ("PaintOptions", "StylizeOptions", "TrainOptions", "VideoOptions"),
    "painting": ("PaintStep", "Painting", "paint", "paint_steps"),
    "presets": ("options_for",),
    "repeat": ("Comparison", "Repeat", "Verdict", "diff", "prepare", "rerun", "verify"),
    "saving": ("read_recipe",),
    "scene": ("Style",),
    "stylizer": ("Stylizer", "stylize"),
    "synthesis": ("reconstruct", "reconstruct_steps", "texture", "texture_steps"),
    "training": ("TrainStep", "train"),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            value = getattr(importlib.import_module(f"impasto.{module}"), name)
            globals()[name] = value  # the next access does not come here
            return value
    raise AttributeError(f"module 'impasto' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
