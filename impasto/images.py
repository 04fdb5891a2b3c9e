"""Pictures in: whatever the user has becomes a tensor, of any size.

Everywhere in impasto a picture is a tensor (1, 3, H, W), float32, sRGB in [0, 1].
"""

import math
from typing import TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from impasto.errors import InputError, OptionError
from impasto.opening import FilePath, check_size, check_still, flattened, in_mode, name_of, opened, reduced, upright
from impasto.options import SMALLEST

ImageSource: TypeAlias = FilePath | bytes | Image.Image | np.ndarray | Tensor


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
    return _from_array(source if isinstance(source, np.ndarray) else np.asarray(reduced(load_picture(source), size)))


def load_picture(source: FilePath | bytes | Image.Image) -> Image.Image:
    """Read a picture as people see it: upright, converted to sRGB, transparency laid over white, mode RGB.

    Of a PIL picture the current frame is read. Raises InputError if the picture cannot be read or used.
    """
    name = name_of(source)
    with opened(source, name) as image:
        check_size(*image.size, name)
        if not isinstance(source, Image.Image):
            check_still(image, name)
        image.load()
        picture = flattened(upright(image))
        return picture.copy() if picture is source else picture


def load_opacity(source: ImageSource, size: int | None = None) -> Tensor | None:
    """How opaque a picture is, (1, 1, H, W) in [0, 1], or None where all of it is, as are arrays and tensors.

    size: as of `load`, whose picture has the same shape. Raises InputError if the picture cannot be read.
    """
    if isinstance(source, Tensor | np.ndarray):
        return None
    with opened(source, name_of(source)) as image:
        if not image.has_transparency_data:
            return None
        check_size(*image.size, name_of(source))
        alpha = np.asarray(reduced(in_mode(upright(image), "RGBA").getchannel("A"), size))
    return None if alpha.min() == 255 else torch.from_numpy(alpha / np.float32(255))[None, None]


def fit(height: int, width: int, size: int) -> tuple[int, int]:
    """Return the (height, width) of a picture whose longer side is brought to `size` pixels.

    Raises OptionError if `size` is under 16 and InputError if the shorter side would come to less than that.
    """
    if size < SMALLEST:
        raise OptionError(f"The size is {size}, but it must be at least {SMALLEST} pixels: choose a larger one.")
    longer, shorter = max(height, width), min(height, width)
    planned = round(shorter * size / longer)
    if planned < SMALLEST:
        enough = math.ceil(SMALLEST * longer / shorter)
        raise InputError(
            f"The picture is {width} x {height} pixels; the shorter side must come to at least {SMALLEST} "
            f"pixels at size {size}, the result's or its first scale's: crop it or choose a larger --size, from {enough}, "
            "and such a --min-scale."
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


def _from_array(array: np.ndarray) -> Tensor:
    white = {"u1": 255.0, "u2": 65535.0}.get(array.dtype.str[1:], 1.0 if array.dtype.kind == "f" else None)
    if white is None or array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,)):
        raise InputError(
            f"The array is {array.dtype} of shape {array.shape}: "
            "give (H, W) or (H, W, 3) as uint8, uint16 or float in [0, 1], or a PIL picture where it has an opacity."
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
    check_size(image.shape[3], image.shape[2], name)
    low, high = (value.item() for value in image.aminmax())
    if not (low >= 0 and high <= 1):  # put so that not-a-number is refused as well
        raise InputError(f"{name} has values from {low:.4g} to {high:.4g}: scale or clamp them to [0, 1].")
    return image
