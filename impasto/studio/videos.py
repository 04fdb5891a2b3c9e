"""The Video tab: a clip and a style, painted frame by frame."""

from pathlib import Path
from typing import Any

import gradio as gr

from impasto.errors import InputError
from impasto.options import VideoOptions
from impasto.shipped import DEMO
from impasto.studio.area import Area, Verb, name_of
from impasto.studio.fields import AT_ONCE
from impasto.studio.forms import SLIDERS
from impasto.studio.limits import UPLOAD_BYTES, check_picture, check_size
from impasto.studio.messages import Order
from impasto.studio.pictures import chosen_style, shipped_styles, upload
from impasto.studio.workshop import Workshop

VIDEO = Verb(
    "video", "Paint the video", lambda preset: VideoOptions(), ("method", "touches", "every"),
    ("Your video appears here", "Frame by frame, as they are finished."),
)  # fmt: skip
CLIPS = [".mp4", ".mov", ".mkv", ".webm", ".avi", ".gif"]
SMALL = 480  # pixels: what one waits for


def video_tab(workshop: Workshop, tickets: gr.BrowserState, page: gr.Blocks, tab: gr.Tab) -> None:
    """Build the tab."""
    area = Area(workshop, VIDEO, tickets)
    with gr.Row(elem_classes="tab"):
        with gr.Column(elem_classes="side", min_width=320, scale=4):
            clip = gr.File(label="Video", file_types=CLIPS, height=130)
            style = upload("Style", DEMO / "woodcut.jpg")
            thumbnails = shipped_styles()
            least, most, step = SLIDERS["size"]
            size = gr.Slider(
                least, most, value=SMALL, step=step, label="Size", info="Longer side of the frames in pixels."
            )
            area.form(presets=False)
        with gr.Column(elem_classes="main", min_width=320, scale=7):
            area.show()
    area.connect([clip, style, size], video_order, page)
    thumbnails.select(chosen_style, None, style, **AT_ONCE)


def video_order(options: VideoOptions, preset: str, clip: str | None, style: str | None, size: float) -> Order:
    """What the worker is to do. Raises InputError or OptionError."""
    if not clip:
        raise InputError("There is no video yet. Drop one.")
    source = Path(clip)
    if source.stat().st_size > UPLOAD_BYTES:
        raise InputError(f"The video has more than {UPLOAD_BYTES // 2**20} MB. Use the command line: impasto video.")
    painting = check_picture(style, "style")
    check_size(int(size))
    target = f"{name_of(source, painting)}{'.gif' if source.suffix.lower() == '.gif' else '.mp4'}"
    keywords: dict[str, Any] = {"size": int(size)}
    return Order("video", Path(), Path(target).stem, (source, [painting], target, options), keywords)
