"""Every package that is installed has the version that constraints.txt pins and says under which license it comes.

Needs no network. What is known of their weaknesses is asked by pip-audit, which does: see docs/security.md.
"""

import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
OURS = {"impasto", "pip", "setuptools", "wheel"}  # what was there before anything was pinned, and what is tested


def pins() -> dict[str, Requirement]:
    """constraints.txt by name, without what is for other versions of Python."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in found if pin.marker is None or pin.marker.evaluate()}


def license_of(package: Distribution) -> str:
    """What a package says of its license: an expression, classifiers, a text's first line, a file's name; or nothing."""
    said = package.metadata
    classifiers = [one.rpartition("::")[2].strip() for one in said.get_all("Classifier", []) if "License ::" in one]
    text = (said.get("License") or "").strip().splitlines()
    files = [
        *said.get_all("License-File", []),
        *(str(one) for one in package.files or () if "LICENSE" in one.name.upper()),
    ]
    return said.get("License-Expression") or ", ".join(classifiers) or "".join(text[:1]) or "".join(files[:1])


def main() -> int:
    """Print a line for every package; 1 if one is not pinned, not as pinned, or says nothing of its license."""
    pinned, status = pins(), 0
    for package in sorted(distributions(), key=lambda one: canonicalize_name(one.metadata["Name"])):
        name = canonicalize_name(package.metadata["Name"])
        if name in OURS:
            continue
        pin, license = pinned.get(name), license_of(package)
        faults = ["not in constraints.txt"] if pin is None else []
        faults += [f"constraints.txt has {pin}"] if pin and not pin.specifier.contains(package.version, True) else []
        faults += [] if license else ["no license"]
        status |= bool(faults)
        print(f"{name:32} {package.version:16} {license[:60]:60} {'; '.join(faults)}".rstrip())
    return status


if __name__ == "__main__":
    sys.exit(main())
