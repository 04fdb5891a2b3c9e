"""Pictures of any format opened as people see them: upright, in sRGB, transparency over white. A safe few formats only."""

import hashlib
import importlib
import os
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from threading import RLock
from typing import BinaryIO, TypeAlias

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from impasto.errors import InputError

FilePath: TypeAlias = str | os.PathLike[str]

MIN_SIDE = 4  # pixels; anything smaller is a tracking pixel, not a picture
MAX_PIXELS = 175_000_000  # just under the 178,956,970 from which Pillow itself refuses to open a picture
HUGE = 64_000_000  # pixels, more than cameras have: what is larger is read no larger than it is needed
LEAST = 4096  # pixels of the longer side that are left of it in any case
BLOCK = 1 << 20  # bytes of a file that are hashed at a time

_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "PPM", "HEIF")
_ANIMATED = ("PNG", "WEBP", "GIF", "AVIF")  # the further pages of a TIFF or of a phone's MPO are no animation
_OPAQUE = {"1": "L", "L": "L", "LA": "L", "CMYK": "CMYK", "LAB": "LAB"}  # every other mode becomes RGB
# What white may be in the modes I (and I;16, I;16B, ...) and F; the least that no pixel exceeds is taken.
_WHITE = {"I": (65535.0,), "F": (1.0, 255.0, 65535.0)}
_HUSHED = RLock()


def name_of(source: object) -> str:
    """What a message calls the source: the path as the user gave it, or a description."""
    if isinstance(source, str | os.PathLike):
        return os.fsdecode(source) or "The empty path"
    if isinstance(source, bytes):
        return f"The picture of {len(source)} bytes"
    if isinstance(source, Image.Image):
        return "The picture"
    kind = type(source).__name__
    raise InputError(f"A picture cannot be a {kind}: give a path, bytes, a PIL picture, an array or a tensor.")


def is_file(path: FilePath) -> bool:
    """Whether a file is there; no for a name that the system does not take, where `Path.is_file` raises."""
    return answered(Path(path).is_file)


def is_folder(path: FilePath) -> bool:
    """Whether a folder is there; no for a name that the system does not take, where `Path.is_dir` raises."""
    return answered(Path(path).is_dir)


def answered(question: Callable[[], bool]) -> bool:
    """The answer to a question about a path; no where the system does not take its name."""
    with suppress(OSError, ValueError):
        return question()
    return False


def sha256(path: FilePath) -> str:
    """The hash of a file, in hexadecimal digits. It is read in blocks: a video may be larger than the memory."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def opened(source: FilePath | bytes | Image.Image, name: str) -> Iterator[Image.Image]:
    """Open a picture, of which only the header is read yet. No warning and no foreign error leaves the block."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if isinstance(source, Image.Image):
                yield source
            else:
                with (
                    stream_of(source, name) as stream,
                    Image.open(stream, formats=_formats()) as image,
                    _hushed() if image.format == "TIFF" else nullcontext(),
                ):
                    yield image
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{name} does not fit into the free memory: close other programs, or reduce it.") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{name} has more than {MAX_PIXELS:,} pixels, the most that are read: reduce it.") from error
    except UnidentifiedImageError as error:
        raise InputError(
            f"{name} is damaged or no picture of a known format: save it as PNG or JPEG (HEIC needs pillow-heif)."
        ) from error
    except Exception as error:  # of damaged data Pillow raises nearly anything: struct.error, SyntaxError, ...
        detail = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise InputError(f"{name} is damaged or incomplete ({detail}): save or download it again.") from error


@contextmanager
def _hushed() -> Iterator[None]:
    """libtiff says on file descriptor 2 what is wrong with a file, past Python: in the block that leads nowhere."""
    # one thread at a time, or one puts back what another led away
    with _HUSHED, Path(os.devnull).open("wb") as nowhere:
        kept = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def stream_of(source: FilePath | bytes, name: str) -> BinaryIO:
    """Open bytes or a regular file for reading; a FIFO or a device might hang or never end. Raises InputError."""
    if isinstance(source, bytes):
        return BytesIO(source)
    try:
        status = Path(source).stat()
        if stat.S_ISREG(status.st_mode) and status.st_size:
            return Path(source).open("rb")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{name} does not exist: check the spelling and the folder.") from error
    except PermissionError as error:
        raise InputError(f"{name} may not be read: change its permissions or copy it to your own folder.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{name} cannot be opened ({error}): check the name and the disk.") from error
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{name} is a folder: name a picture inside it.")
    if stat.S_ISREG(status.st_mode):
        raise InputError(f"{name} is empty: save or download the picture again.")
    raise InputError(f"{name} is not a regular file: save the picture to one and give that.")


@cache
def _formats() -> tuple[str, ...]:
    """The formats that are tried, so far as this Pillow reads them. Never all: EPS, for one, runs Ghostscript."""
    with suppress(ImportError):
        importlib.import_module("pillow_heif").register_heif_opener()
    Image.init()
    return tuple(format for format in _FORMATS if format in Image.OPEN)


def check_size(width: int, height: int, name: str, least: int = MIN_SIDE) -> None:
    """Raise InputError for a picture that is too small or too large to be read; least: pixels that each side needs."""
    if min(width, height) < least:
        raise InputError(f"{name} is {width} x {height} pixels, but each side needs {least}: give a larger picture.")
    if width * height > MAX_PIXELS:
        raise InputError(f"{name} is {width} x {height} pixels, but at most {MAX_PIXELS:,} are read: reduce it.")


def check_still(image: Image.Image, name: str) -> None:
    """Raise InputError for an animation."""
    frames = getattr(image, "n_frames", 1) if image.format in _ANIMATED else 1
    if frames > 1:
        raise InputError(f"{name} is an animation of {frames} frames; save one frame as a picture and paint that.")


def upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF says that it is held."""
    try:
        return image if image.getexif().get(ExifTags.Base.Orientation, 1) == 1 else ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF, of which Pillow raises nearly anything, is no reason to refuse sound pixels
        return image


def flattened(image: Image.Image) -> Image.Image:
    """Convert a picture of any mode to RGB, sRGB, with its transparency laid over white."""
    profile = image.info.get("icc_profile")
    if image.mode[0] in _WHITE:
        image = _shallow(image)
    opaque = _to_srgb(in_mode(image, _OPAQUE.get(image.mode, "RGB")), profile)
    if not image.has_transparency_data:
        return opaque
    white = Image.new("RGB", image.size, "white")
    white.paste(opaque, mask=in_mode(image, "RGBA").getchannel("A"))
    return white


def in_mode(image: Image.Image, mode: str) -> Image.Image:
    """The picture itself where it has that mode, of which `convert` would make a copy."""
    return image if image.mode == mode else image.convert(mode)


def reduced(image: Image.Image, size: int | None) -> Image.Image:
    """Of a huge picture the means of squares; at four times the size and more they change nothing to be seen."""
    if size is None or image.width * image.height < HUGE:
        return image
    return image.reduce(max(1, max(image.size) // max(4 * size, LEAST)))


def _shallow(image: Image.Image) -> Image.Image:
    """Scale grey of more than 8 bits to 8, where Pillow's own convert would clip it. Not-a-number becomes black."""
    peak = max(band.max() for band in _bands(image))
    white = next((white for white in _WHITE[image.mode[0]] if peak <= white), peak)
    rows = [(band.clip(0) * (255 / white)).round().astype(np.uint8) for band in _bands(image)]
    return Image.fromarray(np.concatenate(rows))


def _bands(image: Image.Image) -> Iterator[np.ndarray]:
    """A grey picture from top to bottom in strips of float32: a huge one has no room in one piece."""
    for top in range(0, image.height, 256):
        strip = image.crop((0, top, image.width, min(top + 256, image.height)))
        yield np.nan_to_num(np.asarray(strip, dtype=np.float32), posinf=0)


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert L, RGB, CMYK or LAB to sRGB, by its ICC profile unless that is damaged or for another kind of picture."""
    srgb = ImageCms.createProfile("sRGB")
    if image.mode == "LAB":
        return ImageCms.buildTransform(ImageCms.createProfile("LAB"), srgb, "LAB", "RGB").apply(image)
    if profile:
        for mode in (image.mode, "RGB"):  # a grey picture often carries the profile of an RGB space
            with suppress(ImageCms.PyCMSError, OSError):
                embedded = ImageCms.ImageCmsProfile(BytesIO(profile))
                return ImageCms.buildTransform(embedded, srgb, mode, "RGB").apply(in_mode(image, mode))
    return in_mode(image, "RGB")
