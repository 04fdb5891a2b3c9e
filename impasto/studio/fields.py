"""A form as Gradio's components: one for each control, in sections, and back to option values."""

from collections.abc import Iterable, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from impasto.options import Bundle
from impasto.studio.forms import Control, answer, controls, entered, sections


class Fields:
    """The components of a form. `names` and `components` go together; call it inside a `gr.Blocks`."""

    def __init__(self, options: Bundle, front: Sequence[str], without: Sequence[str] = ()) -> None:
        self.controls = {name: asked for name, asked in controls(options).items() if name not in without}
        self.made: dict[str, Component] = {}
        self.front = front

    def show(self, names: Iterable[str]) -> None:
        """Put the components of these options here, one under the other."""
        for name in names:
            self.made[name] = component(self.controls[name])

    def show_the_rest(self) -> None:
        """All other options, in sections that are closed at first."""
        for title, names in sections(self.controls, self.front).items():
            with gr.Accordion(title, open=False, elem_classes="section"):
                self.show(names)

    @property
    def names(self) -> list[str]:
        """Of the options, in the order of the components."""
        return list(self.made)

    @property
    def components(self) -> list[Component]:
        """In the order in which they were shown."""
        return list(self.made.values())

    def answers(self, values: Sequence[Any]) -> dict[str, Any]:
        """What was entered, by name and as options want it. Raises OptionError."""
        return {name: answer(self.controls[name], value) for name, value in zip(self.made, values, strict=True)}

    def showing(self, options: Bundle) -> list[Any]:
        """What the components show for these options; a slider reaches as far as it must."""
        asked = controls(options)
        return [update(asked[name]) for name in self.made]


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
