"""What comes back from a picture that impasto painted: its settings, and its pictures as far as they are here."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from impasto import ingredients, recipe, saving
from impasto.errors import ImpastoError, InputError
from impasto.options import PaintOptions
from impasto.presets import PRESETS
from impasto.shipped import DEMO
from impasto.studio.forms import bundle, controls
from impasto.studio.limits import check_picture, plain_name

NAMED = {"content": "photo"}  # roles whose names on the page are others


@dataclass
class Returned:
    """The form as it stood. styles: (path, weight); a path is None where the picture is not here.

    mask: what was drawn, where to paint or, with `protects`, where not. names: of what it was painted from.
    """

    options: PaintOptions
    preset: str
    photo: str | None = None
    styles: list[tuple[str | None, float]] = field(default_factory=list)
    mask: bytes | None = None
    protects: bool = False
    names: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def said(self) -> str:
        """What to tell, in sentences."""
        return " ".join([f"It was painted from {' and '.join(self.names)}.", "Its settings are back.", *self.notes])


def is_painting(path: str | None) -> bool:
    """Whether a picture says how it was painted."""
    try:
        found = saving.read_recipe(check_picture(path, "picture"))
    except ImpastoError:
        return False
    return found is not None and found.get("verb") == "paint"


def returned(path: str, slots: int, here: Iterable[str | None], folder: Path) -> Returned:
    """The form as a picture's recipe has it. Raises InputError or OptionError where there is none, or one for another tab.

    slots: how many styles there is room for. here: pictures on the page, which are known by their hashes, as are those that
    come with the package; of others the small copies are taken that the recipe may hold, and written below `folder`.
    """
    name = Path(path).name
    found = saving.read_recipe(check_picture(path, "picture"))
    if found is None:
        raise InputError(f"{name} carries no settings: impasto did not paint it, or an editor removed them.")
    wanted = recipe.understand(found)
    if not isinstance(wanted.options, PaintOptions) or wanted.verb != "paint":
        raise InputError(
            f"{name} was made by {wanted.verb}, whose settings have no place here. `impasto rerun {name}` makes it again."
        )
    asked = controls(wanted.options)
    options: Any = bundle(PaintOptions, {option: getattr(wanted.options, option) for option in asked})
    back = Returned(options, wanted.preset if wanted.preset in PRESETS else "default", notes=list(wanted.notes))
    places = [*(Path(one).parent for one in here if one), DEMO]
    back.photo = picture(back, wanted.inputs, "content", places, folder)
    styles = [role for role in wanted.inputs if role.split("-")[0] == "style"]
    for role in styles[:slots]:
        weight = wanted.inputs[role].get("weight")
        weight = float(weight) if isinstance(weight, int | float) and 0.01 <= weight < 1e6 else 1.0
        back.styles.append((picture(back, wanted.inputs, role, places, folder), weight))
    if len(styles) > slots:
        back.notes.append(f"It has {len(styles)} styles, and there is room for {slots} here.")
    if wanted.options.weights is not None:
        back.notes.append("Its network was a file of its own, which is not asked for here.")
    back.mask, back.protects = drawing(back, wanted.inputs, styles), "protect" in wanted.inputs
    return back


def picture(
    back: Returned, inputs: Mapping[str, Mapping[str, Any]], role: str, places: Sequence[Path], folder: Path
) -> str | None:
    """The file of an input, or its small copy; what is missing is noted."""
    entry = inputs.get(role, {})
    back.names.append(name := name_in(entry))
    called = f"The {NAMED.get(role, role.replace('-', ' '))} {name}"
    if (file := ingredients.by_hash(entry, places)) is not None:
        return str(file)
    if (copy := ingredients.stored(entry)) is not None:
        path = folder / secrets.token_hex(8) / f"{plain_name(Path(name).stem) or role}.webp"
        path.parent.mkdir(parents=True)
        path.write_bytes(copy)
        try:
            check_picture(path, role)
        except ImpastoError:
            path.unlink()
        else:
            back.notes.append(f"{called} is a small copy, which the picture holds: drop your own for all its detail.")
            return str(path)
    back.notes.append(f"{called} is not here: drop it again.")
    return None


def drawing(back: Returned, inputs: Mapping[str, Mapping[str, Any]], styles: Sequence[str]) -> bytes | None:
    """The one mask that there is room for; another is noted."""
    masks = {role: entry for role, entry in inputs.items() if role == "protect" or role.split("-")[0] == "mask"}
    if not masks:
        return None
    hashes = {str(entry.get("sha256")) for entry in masks.values()}
    alone = "protect" in masks and len(masks) == 1
    copy = ingredients.stored(next(iter(masks.values())))
    if copy is None or len(hashes) > 1 or not (alone or len(masks) == len(styles)):
        back.notes.append("Its mask has no place here or is not in the picture: draw it again.")
        return None
    return copy


def name_in(entry: Mapping[str, Any]) -> str:
    """An input's file name as the recipe has it."""
    return " ".join(str(entry.get("name", "without a name")).split())[:60]
