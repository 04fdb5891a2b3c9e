"""The mechanism of options: a bundle of declared values, each checked against its type and its limits.

Knows no option. This module imports neither torch nor a front end, so that `impasto --help` answers at once.
"""

import dataclasses
import re
import types
import typing
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from impasto.errors import OptionError

if TYPE_CHECKING:
    from typing_extensions import Self  # in `typing` from Python 3.11


def option(default: Any, help: str, *, least: float | None = None, most: float | None = None) -> Any:
    """A dataclass field with its help and, for numbers, the allowed range (bounds included)."""
    return field(default=default, metadata={"help": help, "least": least, "most": most})


@dataclass(frozen=True)
class Bundle:
    """Options of one verb. Every value is checked on construction, and OptionError says what is allowed."""

    def __post_init__(self) -> None:
        for declared in fields(self):
            value = check_type(declared, getattr(self, declared.name))
            object.__setattr__(self, declared.name, value)
            check_range(declared, value)

    @classmethod
    def make(cls, **given: Any) -> "Self":
        """Like the constructor, but an unknown name is an OptionError that names the nearest one."""
        reject_unknown(given, cls)
        return cls(**given)

    def replace(self, **changes: Any) -> "Self":
        """A copy with some options changed, checked anew."""
        reject_unknown(changes, type(self))
        return dataclasses.replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a recipe: name -> value."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in dataclasses.asdict(self).items()
        }


def flag(name: str) -> str:
    """How an option is written on the command line: `style_layers` -> `--style-layers`."""
    return "--" + name.replace("_", "-")


UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def count_of(amount: str, flag: str = "The amount") -> float:
    """Bytes of "2G", "800M", or seconds of "60s", "5m". Raises OptionError where it is neither."""
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+) ?([smhKMGT]?)(?:i?B)?", amount)
    if match is None or not float(match[1]):
        raise OptionError(f"{flag} is {amount!r}; it must be a number with a unit, such as 2G, 800M, 60s or 5m.")
    return float(match[1]) * UNITS[match[2]]


def reject_unknown(names: typing.Iterable[str], bundle: type[Bundle]) -> None:
    """Raise OptionError for the first name that is no option of the bundle, naming the nearest one."""
    import difflib

    known = [declared.name for declared in fields(bundle)]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"The options are {', '.join(known)}."
            raise OptionError(f"There is no option {name!r}. {hint}")


def check_type(declared: dataclasses.Field[Any], value: Any) -> Any:
    """The value in its declared type (a list becomes a tuple, an integer a float), or OptionError."""
    for kind in alternatives(declared.type):
        origin = typing.get_origin(kind)
        if kind is type(None) and value is None:
            return None
        if origin is Literal and value in typing.get_args(kind):
            return value
        if origin is tuple and isinstance(value, (list, tuple)):
            item = typing.get_args(kind)[0]
            wanted = (int, float) if item is float else item
            if all(isinstance(part, wanted) and not isinstance(part, bool) for part in value):
                return tuple(finite(part) if item is float else item(part) for part in value)
        if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
            return finite(value)
        if kind is int and isinstance(value, int) and not isinstance(value, bool):
            return value
        if kind is str and isinstance(value, (str, Path)):
            return str(value)
        if kind is bool and isinstance(value, bool):
            return value
    raise OptionError(f"{flag(declared.name)} is {value!r}; it must be {allowed(declared)}.")


def from_text(bundle: type[Bundle], name: str, text: str) -> Any:
    """An option's value as one writes it in a table: `512`, `yes`, `relu1_1 relu2_1`, `none`.

    Raises OptionError for an unknown name; what is no such value stays a text, which the bundle refuses.
    """
    reject_unknown([name], bundle)
    (declared,) = (declared for declared in fields(bundle) if declared.name == name)
    for kind in alternatives(declared.type):
        if kind is type(None) and text == "none":
            return None
        if kind is bool and text.lower() in ("yes", "no", "true", "false"):
            return text.lower() in ("yes", "true")
        with suppress(ValueError):
            if typing.get_origin(kind) is tuple:
                return tuple(typing.get_args(kind)[0](part) for part in text.split())
            if kind in (int, float):
                return kind(text)
    return text


def finite(number: float) -> float:
    """A float; a whole number that is too large for one, as a text may hold, becomes infinite and is out of range."""
    try:
        return float(number)
    except OverflowError:
        return float("inf")


def check_range(declared: dataclasses.Field[Any], value: Any) -> None:
    """Raise OptionError where a number is outside its bounds, or no number at all."""
    least, most = declared.metadata["least"], declared.metadata["most"]
    numbers = value if isinstance(value, tuple) else (value,)
    for number in numbers:
        if not isinstance(number, (int, float)) or isinstance(number, bool):
            continue
        low, high = (0 if isinstance(value, tuple) else least), most
        if (
            number != number
            or abs(number) == float("inf")
            or (low is not None and number < low)
            or (high is not None and number > high)
        ):
            raise OptionError(f"{flag(declared.name)} is {number}; it must be {allowed(declared)}.")


def allowed(declared: dataclasses.Field[Any]) -> str:
    """In words: what an option may be."""
    words = []
    for kind in alternatives(declared.type):
        if typing.get_origin(kind) is Literal:
            words.append("one of " + ", ".join(typing.get_args(kind)))
        elif typing.get_origin(kind) is tuple:
            words.append("names of layers" if typing.get_args(kind)[0] is str else "numbers of at least 0")
        elif kind in (int, float):
            least, most = declared.metadata["least"], declared.metadata["most"]
            number = "a whole number" if kind is int else "a number"
            limits = (
                f"from {least:g} to {most:g}" if least is not None and most is not None else f"of at least {least:g}"
            )
            words.append(f"{number} {limits}")
        elif kind is type(None):
            words.append("none")
        else:
            words.append({bool: "true or false", str: "a text"}[kind])
    return " or ".join(words)


def alternatives(kind: Any) -> tuple[Any, ...]:
    """The members of a union; anything else alone."""
    return typing.get_args(kind) if typing.get_origin(kind) in (types.UnionType, typing.Union) else (kind,)
