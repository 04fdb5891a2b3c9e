"""Fuzz the readers of pictures and recipes: python tests/fuzz.py [libFuzzer's flags]

Any bytes are a picture, no picture (an ImpastoError), or a fault of ours, with which atheris stops.
"""

import json
import sys
import warnings
from contextlib import suppress

import atheris

with atheris.instrument_imports(include=["impasto"]):
    from impasto import images, recipe, saving
    from impasto.errors import ImpastoError


def fuzz(data: bytes) -> None:
    """The first byte chooses the reader."""
    kind, rest = data[:1], data[1:]
    with suppress(ImpastoError):
        if kind < b"\x80":
            images.load(rest)
            saving.read_recipe(rest)
        else:
            with suppress(ValueError, RecursionError):  # no JSON
                found = json.loads(rest)
                if isinstance(found, dict):
                    recipe.understand(found)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    atheris.Setup(sys.argv, fuzz)
    atheris.Fuzz()
