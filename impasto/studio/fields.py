"""A form as Gradio's components: one for each control, in sections, and back to option values."""

from collections.abc import Iterable, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from impasto.bundle import Bundle
from impasto.studio.forms import Control, answer, controls, entered, sections

PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}  # of an event of the page
AT_ONCE: dict[str, Any] = {**PRIVATE, "queue": False}


class Fields:
    """The components of a form, in the order in which they are shown; call it inside a `gr.Blocks`.

    A slider that may be off has a box beside it, which stands right after it among the components.
    """

    def __init__(self, options: Bundle, front: Sequence[str], without: Sequence[str] = ()) -> None:
        self.controls = {name: asked for name, asked in controls(options).items() if name not in without}
        self.made: dict[str, Component] = {}
        self.boxes: dict[str, gr.Checkbox] = {}
        self.front = front

    def show(self, names: Iterable[str]) -> None:
        """Put the components of these options here, one under the other."""
        for name in names:
            asked = self.controls[name]
            if asked.otherwise is None:
                self.made[name] = component(asked)
                continue
            with gr.Column(elem_classes="either"):
                slider = self.made[name] = component(asked)
                self.boxes[name] = gr.Checkbox(asked.off, label=asked.otherwise[1], container=False, elem_classes="off")
            # who moves the slider means it
            slider.input(None, None, self.boxes[name], js="() => false", **AT_ONCE)  # type: ignore[attr-defined]

    def show_the_rest(self) -> None:
        """All other options, in sections that are closed at first."""
        for title, names in sections(self.controls, self.front).items():
            with gr.Accordion(title, open=False, elem_classes="section"):
                self.show(names)

    def parts(self, name: str) -> list[Component]:
        """The one or two components of an option."""
        return [self.made[name], *([self.boxes[name]] if name in self.boxes else [])]

    @property
    def names(self) -> list[str]:
        """Of the options, in the order in which they were shown."""
        return list(self.made)

    @property
    def components(self) -> list[Component]:
        """Of all options."""
        return self.of(self.names)

    def of(self, names: Iterable[str]) -> list[Component]:
        """The components of these options."""
        return [part for name in names for part in self.parts(name)]

    def answers(self, values: Sequence[Any], names: Iterable[str] | None = None) -> dict[str, Any]:
        """What was entered, by name and as options want it. names: whose components' values these are, if not of all.

        Raises OptionError.
        """
        rest = iter(values)
        found = {}
        for name in self.names if names is None else names:
            asked, value = self.controls[name], next(rest)
            off = name in self.boxes and next(rest)
            found[name] = asked.otherwise[0] if off and asked.otherwise else answer(asked, value)
        return found

    def showing(self, options: Bundle, names: Iterable[str] | None = None) -> list[Any]:
        """What the components show for these options; a slider reaches as far as it must."""
        asked = controls(options)
        found = []
        for name in self.names if names is None else names:
            found += [update(asked[name]), *([gr.update(value=asked[name].off)] if name in self.boxes else [])]
        return found


def component(asked: Control) -> Component:
    """The component that asks."""
    known: dict[str, Any] = {"label": asked.label, "info": asked.help, "value": entered(asked), "elem_id": None}
    if asked.kind == "choice":
        return gr.Dropdown(list(asked.choices), filterable=False, **known)
    if asked.kind == "flag":
        return gr.Checkbox(**known)
    if asked.kind == "names":
        return gr.Dropdown(list(asked.choices), multiselect=True, **known)
    if asked.kind in ("numbers", "text"):
        return gr.Textbox(**known, max_lines=1)
    if asked.slider is not None:
        least, most, step = asked.slider
        return gr.Slider(least, most, step=step, **known)
    return gr.Number(minimum=asked.least, maximum=asked.most, precision=0 if asked.kind == "whole" else None, **known)


def update(asked: Control) -> Any:
    """A component's new answer."""
    value = entered(asked)
    if asked.slider is None or not isinstance(value, int | float):
        return gr.update(value=value)
    return gr.update(value=value, minimum=min(asked.slider[0], value), maximum=max(asked.slider[1], value))
