"""Pictures in and out: whatever the user has becomes a tensor, and a tensor becomes a file.

Everywhere in impasto a picture is a tensor (1, 3, H, W), float32, sRGB in [0, 1].
"""

import errno
import importlib
import json
import math
import os
import stat
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from threading import RLock
from typing import Any, BinaryIO, TypeAlias
from uuid import uuid4

import numpy as np
import torch
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo
from torch import Tensor
from torch.nn import functional

from impasto.errors import InputError, OptionError, OutputError

FilePath: TypeAlias = str | os.PathLike[str]
ImageSource: TypeAlias = FilePath | bytes | Image.Image | np.ndarray | Tensor

MIN_SIDE = 4  # pixels; anything smaller is a tracking pixel, not a picture
MAX_PIXELS = 175_000_000  # just under the 178,956,970 from which Pillow itself refuses to open a picture
HUGE = 64_000_000  # pixels, more than cameras have: what is larger is read no larger than it is needed
LEAST = 4096  # pixels of the longer side that are left of it in any case
MAX_DEPTH = 16  # levels of a recipe, which has three itself
MIN_PAINTED_SIDE = 16  # pixels; VGG halves a picture four times on the way to its deepest layers

_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "PPM", "HEIF")
_ANIMATED = ("PNG", "WEBP", "GIF", "AVIF")  # the further pages of a TIFF or of a phone's MPO are no animation
_OPAQUE = {"1": "L", "L": "L", "LA": "L", "CMYK": "CMYK", "LAB": "LAB"}  # every other mode becomes RGB
# What white may be in the modes I (and I;16, I;16B, ...) and F; the least that no pixel exceeds is taken.
_WHITE = {"I": (65535.0,), "F": (1.0, 255.0, 65535.0)}

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
_HUSHED = RLock()
_REMEDIES = {
    errno.ENOENT: "create its folder or choose another",
    errno.EISDIR: "name a file inside it",
    errno.EACCES: "change the permissions of its folder or choose another",
    errno.ENOSPC: "free some space or choose another folder",
}


def load(source: ImageSource, size: int | None = None) -> Tensor:
    """Read a picture at full resolution as a tensor (1, 3, H, W), float32, sRGB in [0, 1].

    size: the longer side that it will be resized to, if that is known: a huge picture is then made smaller while it has
    8 bits a channel, by a whole number, to four times that size or more. Others stay as they are.

    Files, bytes and PIL pictures are read as by `load_picture`, hence with 8 bits a channel. Arrays are (H, W) or
    (H, W, 3) and uint8, uint16 or float in [0, 1]; tensors are (3, H, W) or (1, 3, H, W) and float in [0, 1]. Both
    are taken to be sRGB already, and are copied. Raises InputError if the picture cannot be read or used.
    """
    if isinstance(source, Tensor):
        image = _in_range(_batched(source), "The tensor").detach()
        return image.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
    return _from_array(source if isinstance(source, np.ndarray) else np.asarray(_reduced(load_picture(source), size)))


def load_picture(source: FilePath | bytes | Image.Image) -> Image.Image:
    """Read a picture as people see it: upright, converted to sRGB, transparency laid over white, mode RGB.

    Of a PIL picture the current frame is read. Raises InputError if the picture cannot be read or used.
    """
    name = _name(source)
    with _opened(source, name) as image:
        _check_size(*image.size, name)
        if not isinstance(source, Image.Image):
            _check_still(image, name)
        image.load()
        picture = _flattened(_upright(image))
        return picture.copy() if picture is source else picture


def load_opacity(source: ImageSource, size: int | None = None) -> Tensor | None:
    """How opaque a picture is, (1, 1, H, W) in [0, 1], or None where all of it is, as are arrays and tensors.

    size: as of `load`, whose picture has the same shape. Raises InputError if the picture cannot be read.
    """
    if isinstance(source, Tensor | np.ndarray):
        return None
    with _opened(source, _name(source)) as image:
        if not image.has_transparency_data:
            return None
        _check_size(*image.size, _name(source))
        alpha = np.asarray(_reduced(_in_mode(_upright(image), "RGBA").getchannel("A"), size))
    return None if alpha.min() == 255 else torch.from_numpy(alpha / np.float32(255))[None, None]


def fit(height: int, width: int, size: int) -> tuple[int, int]:
    """Return the (height, width) of a picture whose longer side is brought to `size` pixels.

    Raises OptionError if `size` is under 16 and InputError if the shorter side would come to less than that.
    """
    if size < MIN_PAINTED_SIDE:
        raise OptionError(
            f"The size is {size}, but it must be at least {MIN_PAINTED_SIDE} pixels: choose a larger one."
        )
    longer, shorter = max(height, width), min(height, width)
    planned = round(shorter * size / longer)
    if planned < MIN_PAINTED_SIDE:
        enough = math.ceil(MIN_PAINTED_SIDE * longer / shorter)
        raise InputError(
            f"The picture is {width} x {height} pixels; the shorter side must come to at least {MIN_PAINTED_SIDE} "
            f"pixels at size {size}: crop it or choose a larger --size, from {enough}."
        )
    return (size, planned) if height >= width else (planned, size)


def resize(image: Tensor, size: int) -> Tensor:
    """Bring the longer side of (N, C, H, W) in [0, 1] to `size` pixels and keep the aspect; raises as `fit` does."""
    height, width = image.shape[-2:]
    return resize_to(image, fit(height, width, size))


def resize_to(image: Tensor, shape: tuple[int, int]) -> Tensor:
    """Resample (N, C, H, W) in [0, 1] to exactly `shape`, which is (height, width): antialiased bicubic, clamped."""
    if tuple(image.shape[-2:]) == tuple(shape):
        return image
    return functional.interpolate(image, shape, mode="bicubic", antialias=True).clamp(0, 1)


def to_picture(image: Tensor, opacity: Tensor | None = None) -> Image.Image:
    """Turn (1, 3, H, W) or (3, H, W), sRGB in [0, 1], into an RGB picture: clamped, then rounded to 8 bits.

    With opacity, (1, 1, H, W), into an RGBA picture that looks like `image` on white, and has no white in it elsewhere.
    Raises InputError if the tensor has another shape or values that are not finite.
    """
    planes = _batched(image)[0].detach()
    if not planes.isfinite().all():
        raise InputError("The tensor has values that are infinite or not a number: only finite ones make a picture.")
    if opacity is not None:
        alpha = opacity[0].to(planes)
        planes = torch.cat([1 - (1 - planes) / alpha.clamp_min(1 / 255), alpha])
    scaled = planes.float().clamp(0, 1).mul(255).round().to(torch.uint8)
    return Image.fromarray(scaled.permute(1, 2, 0).contiguous().cpu().numpy())


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
        (_flattened(picture) if format == "JPEG" else picture).save(buffer, format, **options)
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
    with _opened(path, _name(path)) as image:
        return next((suffix for suffix, (format, _) in _WRITERS.items() if format == image.format), ".png")


def is_lossy(suffix: str) -> bool:
    """Whether a quality matters to the format that the suffix stands for. Raises OutputError for an unknown one."""
    return _writer(suffix)[0] in _LOSSY


def read_recipe(source: FilePath | bytes) -> dict[str, Any] | None:
    """Return the recipe that `save` wrote into a picture, or None where there is none or its JSON is damaged.

    Raises InputError if the file cannot be read or is no picture.
    """
    with _opened(source, _name(source)) as image:
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


# Reading: name, open, check, turn upright, flatten to opaque sRGB, make a tensor.


def _name(source: object) -> str:
    """What a message calls the source: the path as the user gave it, or a description."""
    if isinstance(source, str | os.PathLike):
        return os.fsdecode(source) or "The empty path"
    if isinstance(source, bytes):
        return f"The picture of {len(source)} bytes"
    if isinstance(source, Image.Image):
        return "The picture"
    kind = type(source).__name__
    raise InputError(f"A picture cannot be a {kind}: give a path, bytes, a PIL picture, an array or a tensor.")


@contextmanager
def _opened(source: FilePath | bytes | Image.Image, name: str) -> Iterator[Image.Image]:
    """Open a picture, of which only the header is read yet. No warning and no foreign error leaves the block."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if isinstance(source, Image.Image):
                yield source
            else:
                with (
                    _stream(source, name) as stream,
                    Image.open(stream, formats=_formats()) as image,
                    _hushed() if image.format == "TIFF" else nullcontext(),
                ):
                    yield image
    except InputError:
        raise
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


def _stream(source: FilePath | bytes, name: str) -> BinaryIO:
    """Open bytes or a regular file for reading; a FIFO or a device might hang or never end."""
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


def _check_size(width: int, height: int, name: str) -> None:
    if min(width, height) < MIN_SIDE:
        raise InputError(f"{name} is {width} x {height} pixels, but each side needs {MIN_SIDE}: give a larger picture.")
    if width * height > MAX_PIXELS:
        raise InputError(f"{name} is {width} x {height} pixels, but at most {MAX_PIXELS:,} are read: reduce it.")


def _check_still(image: Image.Image, name: str) -> None:
    frames = getattr(image, "n_frames", 1) if image.format in _ANIMATED else 1
    if frames > 1:
        raise InputError(f"{name} is an animation of {frames} frames; save one frame as a picture and paint that.")


def _upright(image: Image.Image) -> Image.Image:
    try:
        return image if image.getexif().get(ExifTags.Base.Orientation, 1) == 1 else ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF, of which Pillow raises nearly anything, is no reason to refuse sound pixels
        return image


def _flattened(image: Image.Image) -> Image.Image:
    """Convert a picture of any mode to RGB, sRGB, with its transparency laid over white."""
    profile = image.info.get("icc_profile")
    if image.mode[0] in _WHITE:
        image = _shallow(image)
    opaque = _to_srgb(_in_mode(image, _OPAQUE.get(image.mode, "RGB")), profile)
    if not image.has_transparency_data:
        return opaque
    white = Image.new("RGB", image.size, "white")
    white.paste(opaque, mask=_in_mode(image, "RGBA").getchannel("A"))
    return white


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """The picture itself where it has that mode, of which `convert` would make a copy."""
    return image if image.mode == mode else image.convert(mode)


def _reduced(image: Image.Image, size: int | None) -> Image.Image:
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
                return ImageCms.buildTransform(embedded, srgb, mode, "RGB").apply(_in_mode(image, mode))
    return _in_mode(image, "RGB")


def _from_array(array: np.ndarray) -> Tensor:
    white = {"u1": 255.0, "u2": 65535.0}.get(array.dtype.str[1:], 1.0 if array.dtype.kind == "f" else None)
    if white is None or array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,)):
        raise InputError(
            f"The array is {array.dtype} of shape {array.shape}: "
            "give (H, W) or (H, W, 3) as uint8, uint16 or float in [0, 1]."
        )
    planes = np.broadcast_to(array, (3, *array.shape)) if array.ndim == 2 else array.transpose(2, 0, 1)
    with np.errstate(all="ignore"):  # what overflows float32 becomes infinite and is refused as such
        scaled = np.divide(planes, white, dtype=np.float32, order="C")
    return _in_range(torch.from_numpy(scaled)[None], "The array")


def _batched(tensor: Tensor) -> Tensor:
    """Return one picture, (3, H, W) or (1, 3, H, W), as the latter."""
    image = tensor[None] if tensor.ndim == 3 else tensor
    if image.ndim != 4 or image.shape[:2] != (1, 3) or not image.is_floating_point():
        raise InputError(
            f"The tensor is {tensor.dtype} of shape {tuple(tensor.shape)}: "
            "give (3, H, W) or (1, 3, H, W) as float in [0, 1]."
        )
    return image


def _in_range(image: Tensor, name: str) -> Tensor:
    _check_size(image.shape[3], image.shape[2], name)
    low, high = (value.item() for value in image.aminmax())
    if not (low >= 0 and high <= 1):  # put so that not-a-number is refused as well
        raise InputError(f"{name} has values from {low:.4g} to {high:.4g}: scale or clamp them to [0, 1].")
    return image


# Writing: choose the format, encode in memory, write a temporary file, rename it.


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
