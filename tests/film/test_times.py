"""Times in words, and styles that have one."""

from fractions import Fraction

import pytest

from impasto.errors import OptionError
from impasto.film import times


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("12", 12), ("12.5s", 12.5), ("01:12.5", 72.5), ("1:01:12", 3672), (".5", 0.5), ("00:00", 0)],
)
def test_times_in_words(text: str, seconds: float) -> None:
    assert times.seconds(text) == Fraction(seconds)


@pytest.mark.parametrize("text", ["", "s", "-1", "1:2:3:4", "1e3", "nan", "12,5", "1:"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="write seconds"):
        times.seconds(text)


def test_shares_are_whole_at_a_style_s_own_time_and_add_up_to_one() -> None:
    moments = (Fraction(2), Fraction(4), Fraction(10))
    for now, expected in [(0, (1, 0, 0)), (2, (1, 0, 0)), (3, (0.5, 0.5, 0)), (4, (0, 1, 0)), (7, (0, 0.5, 0.5))]:
        assert times.shares(moments, Fraction(now)) == expected
    assert times.shares(moments, Fraction(10)) == times.shares(moments, Fraction(99)) == (0, 0, 1)
    assert times.shares((Fraction(3),), Fraction(0)) == times.shares((Fraction(3),), Fraction(9)) == (1,)


def test_a_style_with_a_time_is_told_from_a_name_with_an_at_sign() -> None:
    assert times.split_moment("a.jpg@10s") == ("a.jpg", 10)
    assert times.split_moment("a@home.jpg") == ("a@home.jpg", None)
    assert times.split_moment("a.jpg:0.5") == ("a.jpg:0.5", None)
