"""Training pictures: folders held in memory, random crops, and the jitter that petit must withstand.

A feature network for style transfer sees more than photographs: it looks at paintings, at noise, and above all at
half-painted pictures. So a batch mixes photographs and paintings at many scales with blends of the two,
recoloured photographs, and added noise.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def read_folder(folder: Path, short_side: int) -> list[torch.Tensor]:
    """Every picture of a folder in order of name, as (3, H, W) uint8, reduced to at most `short_side`."""
    pictures = []
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES):
        with Image.open(path) as opened:
            picture = ImageOps.exif_transpose(opened).convert("RGB")
        factor = short_side / min(picture.size)
        if factor < 1:
            picture = picture.resize([round(factor * edge) for edge in picture.size], Image.Resampling.LANCZOS)
        pictures.append(torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous())
    if not pictures:
        raise SystemExit(f"There is no picture in {folder}; give a folder of JPEG, PNG or WebP files.")
    return pictures


def split(pictures: list[torch.Tensor], every: int) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """(training, held out): each `every`-th picture is held out."""
    return [p for i, p in enumerate(pictures) if i % every], pictures[::every]


def random_crop(picture: torch.Tensor, size: int, random: np.random.Generator) -> torch.Tensor:
    """A square of 0.6 to 1.8 times `size` (as far as the picture reaches), resized to (3, size, size) in [0, 1]."""
    edge = min(int(size * np.exp(random.uniform(np.log(0.6), np.log(1.8)))), *picture.shape[1:])
    top, left = (int(random.integers(0, extent - edge + 1)) for extent in picture.shape[1:])
    crop = picture[None, :, top : top + edge, left : left + edge].float() / 255
    if random.random() < 0.5:
        crop = crop.flip(3)
    return F.interpolate(crop, (size, size), mode="bilinear", antialias=edge > size)[0].clamp(0, 1)


def recolor(image: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """`image` with each channel's mean and deviation taken from `like`."""
    mean, std = image.mean((1, 2), keepdim=True), image.std((1, 2), keepdim=True) + 1e-3
    return (image - mean) / std * like.std((1, 2), keepdim=True) + like.mean((1, 2), keepdim=True)


def jitter(image: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
    """Brightness, contrast and colour balance, moderately, for half of the pictures."""
    if random.random() < 0.5:
        return image
    gain = torch.from_numpy(random.uniform(0.7, 1.3) * random.uniform(0.85, 1.15, (3, 1, 1))).float()
    return (image - 0.5) * gain + 0.5 + random.uniform(-0.12, 0.12)


def add_noise(image: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
    """Noise of random strength and grain, for a third of the pictures; one in forty is noise alone."""
    dice = random.random()
    if dice > 1 / 3:
        return image
    size = image.shape[1] // int(random.choice([1, 1, 2, 4]))
    noise = torch.from_numpy(random.normal(0, 1, (1, 3, size, size))).float()
    noise = F.interpolate(noise, image.shape[1:], mode="bilinear", align_corners=False)[0]
    if dice < 1 / 40:
        return 0.5 + random.uniform(0.05, 0.3) * noise
    return image + random.uniform(0.01, 0.15) * noise


def random_batch(
    photos: list[torch.Tensor],
    paintings: list[torch.Tensor],
    painted: list[torch.Tensor],
    size: int,
    count: int,
    random: np.random.Generator,
) -> torch.Tensor:
    """(count, 3, size, size) in [0, 1]: 40 % photographs, 30 % paintings, 10 % half-painted, 20 % in between."""
    batch = []
    for _ in range(count):
        photo = random_crop(photos[random.integers(len(photos))], size, random)
        painting = random_crop(paintings[random.integers(len(paintings))], size, random)
        dice = random.random()
        if dice < 0.4:
            image = photo
        elif dice < 0.7:
            image = painting
        elif dice < 0.8:
            image = random_crop(painted[random.integers(len(painted))], size, random)
        elif dice < 0.9:
            image = recolor(photo, painting)
        else:
            image = torch.lerp(recolor(photo, painting), painting, float(random.uniform(0.2, 0.8)))
        batch.append(add_noise(jitter(image, random), random))
    return torch.stack(batch).clamp(0, 1)


def center_crops(pictures: list[torch.Tensor], size: int) -> torch.Tensor:
    """(N, 3, size, size) in [0, 1]: the middle of each picture, reduced so that its short side is `size`."""
    crops = []
    for picture in pictures:
        height, width = picture.shape[1:]
        edge = min(height, width)
        top, left = (height - edge) // 2, (width - edge) // 2
        square = picture[None, :, top : top + edge, left : left + edge].float() / 255
        crops.append(F.interpolate(square, (size, size), mode="bilinear", antialias=True)[0])
    return torch.stack(crops).clamp(0, 1)
