"""Moments in words, such as `00:01.5` or `90s`, and styles that come and go with time."""

import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from impasto.errors import OptionError

FORM = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d+)?|\.\d+)s?")


def seconds(text: str, name: str = "The time") -> Fraction:
    """`12`, `12.5s`, `01:12.5` or `1:01:12` in seconds, exactly. Raises OptionError, in which `name` names it."""
    found = FORM.fullmatch(text.strip())
    if found is None:
        raise OptionError(f"{name} is {text!r}; write seconds, such as 12.5, or 01:12.5, or 1:01:12.")
    hours, minutes, rest = found.groups(default="0")
    return int(hours) * 3600 + int(minutes) * 60 + Fraction(rest)


def split_moment(text: str) -> tuple[str, Fraction | None]:
    """STYLE@TIME -> (STYLE, seconds); a name without a time has none. Raises OptionError for a time gone wrong."""
    name, sign, moment = text.rpartition("@")
    if not sign or not name or not moment[:1].isdigit():
        return text, None
    return name, seconds(moment, f"The time of the style {name}")


def check_moments(moments: Sequence[Fraction | None], styles: int) -> tuple[Fraction, ...] | None:
    """The times of so many styles, None if none has one. Raises OptionError where only some do, or they do not rise."""
    known = tuple(moment for moment in moments if moment is not None)
    if not known:
        return None
    if not len(known) == len(moments) == styles or any(later <= earlier for earlier, later in pairwise(known)):
        raise OptionError("Give every style a time or none, and the times in rising order: a.jpg@0s b.jpg@10s.")
    return known


def shares(moments: Sequence[Fraction], now: Fraction) -> tuple[float, ...]:
    """How much of each style there is: all of it at its own time, and evenly from one to the next in between."""
    last = len(moments) - 1
    later = next((index for index, moment in enumerate(moments) if moment > now), last)
    if later == 0 or now >= moments[-1]:
        return tuple(float(index == (0 if later == 0 and now < moments[-1] else last)) for index in range(last + 1))
    way = float((now - moments[later - 1]) / (moments[later] - moments[later - 1]))
    return tuple({later - 1: 1 - way, later: way}.get(index, 0.0) for index in range(last + 1))
