"""How well the artefact doctor finds planted faults, and how often it cries wolf.

    python benchmarks/doctor.py PAINTED SOURCES [SOURCES ...] [--json FILE]

PAINTED is a folder of pictures that impasto painted, taken to be clean; SOURCES are the folders of their photos and styles,
which are found by the fingerprints in the pictures' recipes. Figures to be quoted are those of pairs that no threshold of
impasto/doctor.py was chosen on.
Also counted: how often a photo or painting of SOURCES gets a finding when it is shown to the doctor by itself, and how
often another pair's photo ("dead content") or a picture that is nearly the photo ("under-stylized") is noticed.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import torch
from faults import FAULTS, SEVERITIES, plant
from torch import Tensor

from impasto import images, saving
from impasto.doctor import examine
from impasto.folders import SUFFIXES
from impasto.recipe import fingerprint

OWN_SIZE = 384  # pixels, at which sources are shown by themselves
OWN_COUNT = 100


def pictures(folder: Path) -> list[Path]:
    """Every picture of a folder and those inside it."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def pairs(painted: Path, sources: list[Path]) -> list[list[tuple[Tensor, Tensor, Tensor]]]:
    """(picture, photo, style) at the picture's size, those of one photo and style together."""
    known = {fingerprint(path)["sha256"]: path for folder in sources for path in pictures(folder)}
    found: dict[tuple[str, str], list[tuple[Tensor, Tensor, Tensor]]] = {}
    for path in pictures(painted):
        inputs = (saving.read_recipe(path) or {}).get("inputs", {})
        hashes = tuple(inputs.get(role, {}).get("sha256", "") for role in ("content", "style"))
        if not all(one in known for one in hashes):
            continue
        image = images.load(path)
        shape = (image.shape[2], image.shape[3])
        photo = images.resize_to(images.load(known[hashes[0]]), shape)
        style = images.resize(images.load(known[hashes[1]]), max(shape))
        found.setdefault((hashes[0], hashes[1]), []).append((image, photo, style))
    return [found[key] for key in sorted(found)]


def framed_off(image: Tensor) -> Tensor:
    """Without a tenth at every edge: what is photographed of a painting is often its frame as well."""
    down, across = (edge // 10 for edge in image.shape[2:])
    return image[:, :, down:-down, across:-across].contiguous()


def share(hits: list[bool]) -> str:
    """Hits of how many, in percent."""
    return f"{sum(hits):4d} of {len(hits):4d}  {100 * sum(hits) / max(len(hits), 1):5.1f} %"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("painted", type=Path)
    parser.add_argument("sources", type=Path, nargs="+")
    parser.add_argument("--json", type=Path, help="write every picture's scores to this file")
    given = parser.parse_args()
    chosen = pairs(given.painted, given.sources)
    cases = [(number, *case) for number, group in enumerate(chosen) for case in group]
    print(f"{len(chosen)} pairs, {len(cases)} pictures\n")
    rows: list[dict[str, object]] = []

    def scores(kind: str, severity: str, number: int, image: Tensor, photo: Tensor, style: Tensor) -> set[str]:
        found = examine(image, photo, [style])
        rows.append({"kind": kind, "severity": severity, "pair": number, **found.scores})
        return {finding.name for finding in found.findings}

    clean = [scores("clean", "", *case) for case in cases]
    print("clean pictures with a finding", share([bool(found) for found in clean]))
    for name, count in Counter(name for found in clean for name in found).items():
        print(f"    {name:16} {count:4d}")
    for name in FAULTS:
        for severity in SEVERITIES:
            hits = []
            for index, (number, image, photo, style) in enumerate(cases):
                faulty = plant(name, severity, image, torch.Generator().manual_seed(1000 * number + index))
                hits.append(name in scores(name, severity, number, faulty, photo, style))
            print(f"{name:16} {severity:8} {share(hits)}")
    others = [cases[(index + len(cases) // 2) % len(cases)] for index in range(len(cases))]
    dead = [
        "dead content" in scores("dead content", "", number, image, images.resize_to(other[2], image.shape[2:]), style)  # type: ignore[arg-type]
        for (number, image, _, style), other in zip(cases, others, strict=True)
    ]
    print(f"{'dead content':25} {share(dead)}")
    faint = [
        "under-stylized" in scores("under-stylized", "", number, torch.lerp(photo, image, 0.15), photo, style)
        for number, image, photo, style in cases
    ]
    print(f"{'under-stylized':25} {share(faint)}")
    for folder in given.sources:
        paths = pictures(folder)
        paths = paths[:: max(1, len(paths) // OWN_COUNT)][:OWN_COUNT]
        own = [examine(framed_off(images.resize(images.load(path), OWN_SIZE))).findings for path in paths]
        print(f"{folder.name}, by themselves   {share([bool(found) for found in own])}")
        for name, count in Counter(finding.name for found in own for finding in found).items():
            print(f"    {name:16} {count:4d}")
    if given.json is not None:
        given.json.write_text(json.dumps(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
