"""Pictures on the page: places to put one, and those that come with the package."""

from pathlib import Path

import gradio as gr

from impasto.figures.table import STYLES
from impasto.shipped import DEMO
from impasto.studio.limits import UPLOAD_BYTES

# What is dropped on a picture and is none would clear its place without a word; Gradio's own words are of MIME types
REFUSING = """
const wrong = (file) =>
  !file.type.startsWith("image/") ? "is no picture. Give a PNG, JPEG, WebP or TIFF."
  : file.size > LIMIT ? "has more than MEGABYTES MB. Save it smaller, as a JPEG say." : null;
const refuse = (event) => {
  const place = event.target.closest?.(".place"), file = (event.dataTransfer ?? event.target).files?.[0];
  if (!place || !file) return;
  place.querySelector(".refused")?.remove();
  if (!wrong(file)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const said = Object.assign(document.createElement("p"), { className: "refused", role: "alert" });
  said.textContent = `${file.name} ${wrong(file)}`;
  place.append(said);
  setTimeout(() => said.remove(), 8000);
};
const pass = (event) => {  // the place would light up, and stay so
  const dragged = event.dataTransfer?.items?.[0];
  if (!event.target.closest?.(".place") || dragged?.kind !== "file" || dragged.type.startsWith("image/")) return;
  event.preventDefault();
  event.stopImmediatePropagation();
};
document.addEventListener("dragenter", pass, true);
document.addEventListener("dragover", pass, true);
document.addEventListener("drop", refuse, true);
document.addEventListener("change", refuse, true);
""".replace("LIMIT", str(UPLOAD_BYTES)).replace("MEGABYTES", str(UPLOAD_BYTES // 2**20))


def upload(label: str, path: Path | None = None, height: int = 190) -> gr.Image:
    """A place for a picture: dropped, pasted, chosen or taken by the camera. Gives the path of what arrived, unread.

    Gradio by itself would open it, and say in its own words what is wrong with it.
    """
    place = gr.Image(
        None if path is None else str(path), label=label, type="filepath", image_mode=None, buttons=[], height=height,
        min_width=120, placeholder="Drop, paste or click", elem_classes="place",
    )  # fmt: skip
    place.preprocess = lambda payload: None if payload is None else payload.path  # type: ignore[method-assign]
    return place


def shipped_styles() -> gr.Gallery:
    """The styles, to be had at a click."""
    return gr.Gallery(
        [(str(DEMO / f"{name}.jpg"), name) for name in STYLES], label="Styles that come along", columns=len(STYLES),
        height=84, allow_preview=False, show_label=False, buttons=[], object_fit="cover", elem_classes="shipped",
        interactive=False,
    )  # fmt: skip


def chosen_style(event: gr.SelectData) -> str:
    """The file of the thumbnail that was clicked."""
    return str(DEMO / f"{STYLES[event.index]}.jpg")
