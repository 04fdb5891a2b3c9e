"""Pictures written to files, their recipe inside, and the recipe read again. Every file is written aside and renamed."""

import errno
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

from PIL import ExifTags, Image, ImageCms
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from impasto.errors import OptionError, OutputError
from impasto.images import to_picture
from impasto.opening import FilePath, flattened, name_of, opened

MAX_DEPTH = 16  # levels of a recipe, which has three itself

_RECIPE_KEY = "impasto"  # of the PNG chunk; the other formats carry the recipe as their image description
_WRITERS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {"compress_level": 6}),
    ".jpg": ("JPEG", {"subsampling": "4:4:4"}),
    ".jpeg": ("JPEG", {"subsampling": "4:4:4"}),
    ".webp": ("WEBP", {}),
    ".tif": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    ".tiff": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    ".avif": ("AVIF", {"subsampling": "4:4:4"}),
}
_LOSSY = ("JPEG", "WEBP", "AVIF")
_REMEDIES = {
    errno.ENOENT: "create its folder or choose another",
    errno.EISDIR: "name a file inside it",
    errno.EACCES: "change the permissions of its folder or choose another",
    errno.ENOSPC: "free some space or choose another folder",
}


def encode(
    image: Tensor,
    suffix: str,
    *,
    recipe: Mapping[str, Any] | None = None,
    quality: int = 95,
    opacity: Tensor | None = None,
) -> bytes:
    """Encode (1, 3, H, W) or (3, H, W), sRGB in [0, 1], as a picture file of the format that `suffix` stands for.

    `opacity`, (1, 1, H, W), makes it transparent; JPEG knows nothing of that and gets a white ground.
    `recipe` is written into the file as JSON, for `read_recipe`. `quality`, 1 to 100, is that of JPEG, WebP and AVIF.
    Raises OutputError if the suffix is unknown or the format cannot hold the picture, OptionError for the quality.
    """
    if not 1 <= quality <= 100:
        raise OptionError(f"The quality is {quality}, but it must be from 1 to 100: 95 is a good choice.")
    format, options = _writer(suffix)
    options = options | {"icc_profile": _srgb_profile()} | _recipe_options(format, recipe)
    if format in _LOSSY:
        options["quality"] = quality
    buffer = BytesIO()
    try:
        picture = to_picture(image, opacity)
        (flattened(picture) if format == "JPEG" else picture).save(buffer, format, **options)
    except (OSError, ValueError) as error:
        raise OutputError(f"A {format} file cannot hold this result ({error}): choose .png instead.") from error
    return buffer.getvalue()


def save(
    image: Tensor,
    path: FilePath,
    *,
    recipe: Mapping[str, Any] | None = None,
    quality: int = 95,
    opacity: Tensor | None = None,
) -> None:
    """Write (1, 3, H, W) or (3, H, W), sRGB in [0, 1], to `path`, whole or not at all; arguments as of `encode`.

    Raises OutputError if that fails; an earlier file of the same name is then intact.
    """
    write(encode(image, Path(path).suffix, recipe=recipe, quality=quality, opacity=opacity), path)


def write(data: bytes, path: FilePath) -> None:
    """Write `data` to `path`, whole or not at all: aside, then renamed. Raises OutputError; see `save`."""
    with _temporary(path, data) as temporary:
        temporary.replace(os.path.realpath(path))


def suffix_of(path: FilePath) -> str:
    """The suffix under which `save` writes the format that a picture really has; ".png" for formats it does not write.

    Raises InputError if the file cannot be read or is no picture.
    """
    with opened(path, name_of(path)) as image:
        return next((suffix for suffix, (format, _) in _WRITERS.items() if format == image.format), ".png")


def is_lossy(suffix: str) -> bool:
    """Whether a quality matters to the format that the suffix stands for. Raises OutputError for an unknown one."""
    return _writer(suffix)[0] in _LOSSY


def read_recipe(source: FilePath | bytes) -> dict[str, Any] | None:
    """Return the recipe that `save` wrote into a picture, or None where there is none or its JSON is damaged.

    Raises InputError if the file cannot be read or is no picture.
    """
    with opened(source, name_of(source)) as image:
        if image.format == "PNG":  # whose EXIF is behind the pixels, where no recipe of ours is
            return parse_recipe(image.info.get(_RECIPE_KEY))
        return parse_recipe(image.getexif().get(ExifTags.Base.ImageDescription))


def parse_recipe(text: Any) -> dict[str, Any] | None:
    """The recipe that a file's metadata hold as JSON, or None where they hold anything else."""
    try:
        recipe = json.loads(text)
    except (TypeError, ValueError, RecursionError):  # no text, no JSON, or JSON made to overflow the stack
        return None
    return recipe if isinstance(recipe, dict) and _is_flat(recipe, MAX_DEPTH) else None


def _is_flat(value: Any, depth: int) -> bool:
    """Whether JSON is nested no deeper than `depth`: what reads it further on may go down into it without a guard."""
    if not isinstance(value, dict | list):
        return True
    return depth > 0 and all(
        _is_flat(part, depth - 1) for part in (value.values() if isinstance(value, dict) else value)
    )


def check_output(path: FilePath, inputs: Iterable[FilePath] = ()) -> None:
    """Raise OutputError if `save` could not write `path` or would replace one of `inputs`: ask before painting."""
    check_writable(path)
    _writer(Path(path).suffix)
    for source in inputs:
        with suppress(OSError, ValueError):  # one of the two does not exist (yet)
            if Path(path).samefile(source):
                raise OutputError(f"{path} is also the input {source}, which would be lost: choose another name.")


def check_writable(path: FilePath) -> None:
    """Raise OutputError if `write` could not write `path`."""
    with _temporary(path, b""):  # only a trial tells of read-only disks and quotas
        if Path(path).is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))


def _writer(suffix: str) -> tuple[str, dict[str, Any]]:
    Image.init()
    writers = {key: writer for key, writer in _WRITERS.items() if writer[0] in Image.SAVE}  # an old Pillow has no AVIF
    try:
        return writers["." + suffix.lower().removeprefix(".")]
    except KeyError:
        allowed = ", ".join(writers)
        raise OutputError(f"The result cannot be written with the suffix {suffix!r}: use one of {allowed}.") from None


@cache
def _srgb_profile() -> bytes:
    """The sRGB profile. Its bytes 24 to 35, the time it was made, are fixed, so that equal results are equal files."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    start_of_2000 = b"\x07\xd0\0\1\0\1\0\0\0\0\0\0"
    return profile[:24] + start_of_2000 + profile[36:]


def _recipe_options(format: str, recipe: Mapping[str, Any] | None) -> dict[str, Any]:
    """The options with which Pillow writes the recipe into a file."""
    if recipe is None:
        return {}
    text = json.dumps(dict(recipe), ensure_ascii=True)
    if format == "PNG":
        chunks = PngInfo()
        chunks.add_itxt(_RECIPE_KEY, text)
        return {"pnginfo": chunks}
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = text
    return {"exif": exif}


@contextmanager
def _temporary(path: FilePath, data: bytes) -> Iterator[Path]:
    """Write `data` to a hidden file beside `path`, which is gone after the block unless it was renamed in it.

    An OSError, in the block too, becomes an OutputError. Where `path` is a link, the file is beside what it points to.
    """
    temporary = None
    try:
        target = Path(os.path.realpath(path))
        temporary = target.with_name(f".{target.name}.{uuid4().hex[:8]}")  # mkstemp would hide it from other users
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    except (OSError, ValueError) as error:
        code, reason = (error.errno, error.strerror) if isinstance(error, OSError) else (None, str(error))
        remedy = _REMEDIES.get(code or 0, "choose another folder or name")
        raise OutputError(f"{path} cannot be written ({reason}): {remedy}.") from error
    finally:
        if temporary:
            with suppress(OSError):
                temporary.unlink()
