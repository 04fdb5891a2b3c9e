"""impasto paints one picture in the manner of another: neural style transfer that works the minute it is installed.

    import impasto

    painting = impasto.paint("cat.jpg", "wave.jpg", size=800)
    painting.save("cat-wave.png")

Names are loaded when first used, so that `import impasto` costs nothing and the command line answers at once.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from impasto.errors import (
        DivergenceError as DivergenceError,
    )
    from impasto.errors import (
        ImpastoError as ImpastoError,
    )
    from impasto.errors import (
        InputError as InputError,
    )
    from impasto.errors import (
        OptionError as OptionError,
    )
    from impasto.errors import (
        OutputError as OutputError,
    )
    from impasto.errors import (
        WeightsError as WeightsError,
    )
    from impasto.images import read_recipe as read_recipe
    from impasto.options import PaintOptions as PaintOptions
    from impasto.painting import (
        Painting as Painting,
    )
    from impasto.painting import (
        PaintStep as PaintStep,
    )
    from impasto.painting import (
        paint as paint,
    )
    from impasto.painting import (
        paint_steps as paint_steps,
    )
    from impasto.presets import options_for as options_for

# public name -> the module that holds it
_HOMES = {
    "DivergenceError": "errors",
    "ImpastoError": "errors",
    "InputError": "errors",
    "OptionError": "errors",
    "OutputError": "errors",
    "PaintOptions": "options",
    "PaintStep": "painting",
    "Painting": "painting",
    "WeightsError": "errors",
    "options_for": "presets",
    "paint": "painting",
    "paint_steps": "painting",
    "read_recipe": "images",
}
__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'impasto' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"impasto.{_HOMES[name]}"), name)
    globals()[name] = value  # the next access does not come here
    return value


def __dir__() -> list[str]:
    return __all__
