"""The mechanism of options: a bundle of declared values, each checked against its type and its limits.

Knows no option. This module imports neither torch nor a front end, so that `impasto --help` answers at once.
"""

import dataclasses
import math
import re
import types
import typing
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from impasto.errors import OptionError

if TYPE_CHECKING:
    from typing_extensions import Self  # in `typing` from Python 3.11


def option(default: Any, help: str, *, note: str = "", least: float | None = None, most: float | None = None) -> Any:
    """A dataclass field with its help and, for numbers, the allowed range (bounds included).

    note: a sentence on the default, which holds only where nothing else is laid over it: see `help_of`.
    """
    return field(default=default, metadata={"help": help, "note": note, "least": least, "most": most})


def help_of(declared: dataclasses.Field[Any], default: Any) -> str:
    """An option's help where `default` is its default."""
    help, note = declared.metadata["help"], declared.metadata["note"]
    return f"{help} {note}" if note and default == declared.default else help


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


def limits_of(bundle: type[Bundle], name: str) -> tuple[float, float]:
    """The least and the most that a number among the options may be; infinite where nothing bounds it."""
    (declared,) = (declared for declared in fields(bundle) if declared.name == name)
    least, most = declared.metadata["least"], declared.metadata["most"]
    return -math.inf if least is None else least, math.inf if most is None else most


def flag(name: str) -> str:
    """How an option is written on the command line: `style_layers` -> `--style-layers`."""
    return "--" + name.replace("_", "-")


def those_of(bundle: type[Bundle], given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the given options that the bundle has."""
    known = {declared.name for declared in fields(bundle)}
    return {name: value for name, value in given.items() if name in known}


SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
BYTES = {
    prefix + end: 2 ** (10 * power) for power, prefix in enumerate(("", *"KMGT")) for end in ("", "B", "iB")
}  # all of them powers of 1024


def seconds_of(time: str, flag: str = "The time") -> float:
    """Seconds of "60s", "5m" or "90". Raises OptionError for what is no time."""
    return count_of(time, SECONDS, f"{flag} is {time!r}; it must be a number of s, m or h, such as 60s or 5m.")


def bytes_of(memory: str, flag: str = "The memory") -> float:
    """Bytes of "2G", "800M" or "1.5GiB". Raises OptionError for what is no amount of memory."""
    return count_of(memory, BYTES, f"{flag} is {memory!r}; it must be a number of K, M, G or T, such as 2G or 800M.")


def count_of(amount: str, units: Mapping[str, int], wrong: str) -> float:
    """The amount in the smallest of the units. Raises OptionError, with the sentence `wrong`, where it is none above 0."""
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+) ?([a-zA-Z]*)", amount)
    if match is None or match[2] not in units or not float(match[1]):
        raise OptionError(wrong)
    return float(match[1]) * units[match[2]]


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
