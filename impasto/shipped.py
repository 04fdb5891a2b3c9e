"""What comes with the package: networks, templates, and the demo's pictures."""

from pathlib import Path

ASSETS = Path(__file__).parent / "assets"
DEMO = ASSETS / "demo"
