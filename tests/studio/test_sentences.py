"""What the studio tells: limits and sentences that name no folder."""

from pathlib import Path

import pytest

from impasto import images
from impasto.errors import InputError
from impasto.studio import (
    limits,
)


def test_sentences_name_no_folder(picture: Path) -> None:
    picture.write_text("not a picture")
    for failing in (images.load_picture, lambda path: limits.check_picture(path, "photo")):
        with pytest.raises(InputError) as caught:
            failing(picture)
        told = limits.sentence(caught.value, [picture])
        assert "photo.png" in told
        assert "secret" not in told
        assert "/" not in told


def test_of_a_fault_only_the_kind_is_told() -> None:
    told = limits.sentence(KeyError("/srv/secret"))
    assert "KeyError" in told
    assert "secret" not in told


def test_uploads_have_limits(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits.check_picture(str(picture), "photo") == picture
    with pytest.raises(InputError, match="no photo yet"):
        limits.check_picture(None, "photo")
    monkeypatch.setattr(limits, "UPLOAD_PIXELS", 40 * 48 - 1)
    with pytest.raises(InputError, match="pixels"):
        limits.check_picture(picture, "photo")
    monkeypatch.setattr(limits, "UPLOAD_BYTES", 100)
    with pytest.raises(InputError, match="MB"):
        limits.check_picture(picture, "photo")


def test_options_are_named_without_dashes() -> None:
    assert (
        limits.undashed("--style-layers names none; give -1 or x--y --size.")
        == "style layers names none; give -1 or xy size."
    )
