"""What is taken from a browser, and what is said to it: bytes, pixels, and sentences that name no folder."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

from impasto.errors import ImpastoError, InputError, OptionError
from impasto.folders import SUFFIXES
from impasto.transform import is_network

UPLOAD_BYTES = 48 * 2**20
UPLOAD_PIXELS = 50_000_000
SIZE = 4096  # pixels on the longer side of what is painted here; the command line knows no such limit
WAITING = 200  # orders in the line
KEPT = 300  # finished orders whose pictures stay
PHOTOS = 5000  # that a network is trained with


def check_picture(path: str | Path | None, what: str) -> Path:
    """The path of an uploaded picture. Raises InputError where there is none or it is too large; its pixels stay unread."""
    if not path:
        raise InputError(f"There is no {what} yet. Drop a picture, paste one, or take one of the examples.")
    path = Path(path)
    if path.stat().st_size > UPLOAD_BYTES:
        raise InputError(f"The {what} has more than {UPLOAD_BYTES // 2**20} MB. Save it smaller, as a JPEG say.")
    try:
        with Image.open(path) as picture:
            width, height = picture.size
    except Image.DecompressionBombError as error:
        raise too_many_pixels(what) from error
    except Exception as error:  # of damaged data Pillow raises nearly anything
        raise InputError(f"{path.name} is no picture that can be read. Give a PNG, JPEG, WebP or TIFF.") from error
    if width * height > UPLOAD_PIXELS:
        raise too_many_pixels(what)
    return path


def check_photos(paths: Sequence[str] | None) -> list[Path]:
    """The paths of photographs to learn on; a broken one is left out when it is read. Raises InputError."""
    photos = [Path(path) for path in paths or () if Path(path).suffix.lower() in SUFFIXES]
    if not photos:
        raise InputError(
            "There are no photographs yet. Drop some, a few hundred if you can, or choose a folder of them."
        )
    if len(photos) > PHOTOS:
        raise InputError(f"These are {len(photos)} photographs, and {PHOTOS} are taken at most. Use the command line.")
    for photo in photos:
        if photo.stat().st_size > UPLOAD_BYTES:
            raise InputError(f"{photo.name} has more than {UPLOAD_BYTES // 2**20} MB. Save it smaller.")
    return photos


def check_network(path: str | Path) -> Path:
    """The path of an uploaded network. Raises InputError where its name or size is not that of one."""
    path = Path(path)
    if not is_network(path) or path.stat().st_size > UPLOAD_BYTES:
        raise InputError(
            f"{path.name} is no network that impasto trained. Give the .safetensors file from the Train tab."
        )
    return path


def too_many_pixels(what: str) -> InputError:
    """What is said to a picture beyond the limit."""
    return InputError(f"The {what} has more than {UPLOAD_PIXELS // 10**6} million pixels. Reduce it first.")


def plain_name(text: str) -> str:
    """A text as part of a file's name."""
    return re.sub(r"[^\w-]+", "-", text).strip("-")[:60]


def check_size(size: int) -> None:
    """Raises OptionError beyond the studio's limit."""
    if size > SIZE:
        raise OptionError(f"The size is {size} pixels, and the studio paints at most {SIZE}. Use the command line.")


def sentence(error: BaseException, paths: Iterable[str | Path] = ()) -> str:
    """What to tell the browser: impasto's own words, with names in place of paths; of anything else only its kind."""
    if not isinstance(error, ImpastoError):
        return (
            f"That went wrong inside impasto ({type(error).__name__}), and nothing else is lost. "
            "The terminal in which the studio runs says more."
        )
    text = " ".join(str(error).split())
    for path in sorted({str(path) for path in paths}, key=len, reverse=True):
        text = text.replace(path, Path(path).name)
    return undashed(text)


def undashed(text: str) -> str:
    """Options as the page names them: --style-layers becomes style layers."""
    return re.sub(r"--[a-z][a-z-]*", lambda found: found[0][2:].replace("-", " "), text)
