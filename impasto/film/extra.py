"""What `pip install 'impasto[video]'` brings, imported when it is needed."""

import importlib
from typing import Any

from impasto.errors import OutputError


def library(name: str) -> Any:
    """Import "av" or "cv2". Raises OutputError where it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise OutputError(f"Videos need {name}: pip install 'impasto[video]'.") from error
