"""What the studio's buttons do, and what programs may ask."""

import asyncio
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from orders import TINY, paint, wait, within_a_loop
from PIL import Image

import impasto
from impasto import images, recipe, saving
from impasto.errors import ImpastoError, InputError, OptionError
from impasto.options import PaintOptions
from impasto.presets import options_for
from impasto.studio import (
    dialing,
    gallery,
    limits,
    painting,
    server,
    service,
    single,
    stage,
)
from impasto.studio.area import Area, known
from impasto.studio.messages import Order
from impasto.studio.workshop import Job, Workshop, pace


def order_from(
    options: PaintOptions, picture: Path, *, style: Any = "same", where: str = painting.EVERYWHERE, drawn: Any = None
) -> Order:
    styles = [str(picture) if style == "same" else style, None, str(picture)]
    return painting.order(options, "default", str(picture), *styles, 1.0, 0.5, 0.25, where, drawn)


def layer(opaque: bool) -> dict[str, Any]:
    drawing = Image.new("RGBA", (48, 40))
    if opaque:
        drawing.paste((207, 90, 53, 255), (0, 0, 24, 40))
    return {"background": None, "layers": [drawing], "composite": None}


@pytest.fixture
def area(line: Workshop) -> Area:
    """The Paint tab's area, with its fields."""

    def build() -> Area:
        with server.gr.Blocks():
            area = Area(line, painting.PAINT, server.gr.BrowserState([]))
            area.form()
        return area

    return within_a_loop(build)


def returns(area: Area, path: Path | str, *here: Path) -> dict[str, Any]:
    """What "Open a painting" shows, by the place where it is shown."""
    back = painting.reopened(area, str(path), [str(one) for one in here])
    places = [
        "stage",
        "photo",
        *("styles",) * 3,
        *("weights",) * 3,
        "section",
        "where",
        "laid",
        "drawn",
        "preset",
        "story",
    ]
    assert len(back) == len(places) + len(area.fields.components)
    found: dict[str, Any] = {"styles": [], "weights": [], "fields": back[len(places) :]}
    for place, value in zip(places, back, strict=False):
        if place in ("styles", "weights"):
            found[place].append(value)
        else:
            found[place] = value
    return found


def test_under_the_button_stands_how_long_it_will_take_or_that_nobody_knows(area: Area, line: Workshop) -> None:
    def told(**changes: Any) -> str:
        shown = area.fields.showing(PaintOptions().replace(**changes), painting.MATTERS)
        return painting.forecast(area, None, "default", [update["value"] for update in shown])

    assert "not known yet" in told()
    line.rates[pace(PaintOptions())] = 1e-7
    assert re.search(r"About \d+ s on this machine", told())
    assert "% of the steps" in told(budget="1s")
    assert "not known yet" in told(optimizer="lbfgs" if PaintOptions().optimizer == "adam" else "adam")


def test_styles_and_their_weights_reach_the_verb(picture: Path) -> None:
    order = order_from(TINY, picture)
    content, styles, options = order.arguments
    assert (content, options, order.photo) == (picture, TINY, picture)
    assert styles == [(picture, 1.0, None), (picture, 0.25, None)]
    assert order.name == "photo-photo-photo"
    with pytest.raises(InputError, match="no style"):
        order_from(TINY, picture, style=None)


def test_a_weight_whose_field_was_cleared_is_one(picture: Path) -> None:
    styles = [str(picture), str(picture), None]
    order = painting.order(TINY, "default", str(picture), *styles, 0.5, None, None, painting.EVERYWHERE, None)
    assert order.arguments[1] == [(picture, 0.5, None), (picture, 1.0, None)]


def test_what_is_drawn_is_painted_or_left(picture: Path) -> None:
    only = order_from(TINY, picture, where=painting.ONLY, drawn=layer(True))
    mask = Image.open(BytesIO(only.arguments[1][0][2]))
    assert np.asarray(mask)[:, :24].min() == 255
    assert np.asarray(mask)[:, 24:].max() == 0
    assert only.keywords["protect"] is None
    protecting = order_from(TINY, picture, where=painting.NOT, drawn=layer(True))
    assert protecting.keywords["protect"] is not None
    assert [place for _, _, place in protecting.arguments[1]] == [None, None]
    for drawn in (None, {}, layer(False)):
        with pytest.raises(InputError, match="Nothing is drawn"):
            order_from(TINY, picture, where=painting.ONLY, drawn=drawn)


def test_settings_return_from_a_picture(area: Area, picture: Path) -> None:
    chosen = TINY.replace(colors="keep", style_layer_weights=(1.0, 0.5, 0.25, 0.2, 0.1), seed=7)
    inputs = {"content": {"name": "<b>a.jpg", "sha256": "0"}, "style": recipe.fingerprint(painting.DEMO / "swirl.jpg")}
    made = {"schema": 1, "verb": "paint", "options": chosen.as_dict(), "preset": "default", "inputs": inputs}
    saving.save(images.load(picture), picture, recipe=made)
    back = returns(area, picture)
    assert "painted from &lt;b&gt;a.jpg and swirl.jpg" in back["stage"]
    assert "photo &lt;b&gt;a.jpg is not here: drop it again" in back["stage"]
    assert back["photo"] is None
    assert back["styles"] == [str(painting.DEMO / "swirl.jpg"), None, None]
    answers = area.fields.answers([update["value"] for update in back["fields"]])
    assert painting.options_for().replace(**answers) == chosen


@pytest.mark.parametrize("where", [painting.ONLY, painting.NOT])
def test_styles_weights_and_mask_return_from_a_painting(
    workshop: Workshop, area: Area, picture: Path, where: str
) -> None:
    swirl, woodcut = (str(painting.DEMO / f"{name}.jpg") for name in ("swirl", "woodcut"))
    asked = painting.order(TINY, "default", str(picture), swirl, None, woodcut, 1.5, 1.0, 0.25, where, layer(True))
    file = wait(workshop.submit(asked)).files[0]
    back = returns(area, file, picture)
    assert f"painted from {picture.name} and swirl.jpg and woodcut.jpg. Its settings are back.</p>" in back["stage"]
    assert (back["photo"], back["styles"]) == (str(picture), [swirl, woodcut, None])
    assert (back["weights"], back["where"]) == ([1.5, 0.25, 1.0], where)
    again = painting.order(
        TINY, "default", back["photo"], *back["styles"], *back["weights"], back["where"], back["drawn"]["value"]
    )
    before, after = (
        np.asarray(Image.open(BytesIO(order.keywords["protect"] or order.arguments[1][0][2])).resize((48, 40))) > 127
        for order in (asked, again)
    )
    assert (before == after).mean() > 0.97


def test_small_copies_stand_in_for_pictures_that_are_not_here(workshop: Workshop, area: Area, picture: Path) -> None:
    painted = impasto.paint(picture, painting.DEMO / "swirl.jpg", TINY)
    file = impasto.embed(painted, {"content": picture}).save(picture.with_name("painted.png"))
    back = returns(area, file)
    assert Path(back["photo"]).name == "photo.webp"
    assert images.load(back["photo"]).shape == images.load(picture).shape
    assert "photo.png is a small copy" in back["stage"]
    assert Path(back["photo"]).is_relative_to(area.workshop.folder)
    assert painting.is_painting(str(file))
    assert not painting.is_painting(str(picture))
    assert not painting.is_painting(None)


@pytest.mark.parametrize(
    "made",
    [
        None, {}, {"options": 5}, {"options": {"size": "large"}}, {"options": {"start": "/etc/passwd"}},
        {"options": {"size": 1e9}}, {"options": {"colors": ["keep"]}}, {"options": {"seed": None}}, {"verb": []},
        {"verb": "texture"}, {"verb": "reconstruct"}, {"verb": "stylize"}, {"inputs": 5}, {"inputs": {"content": "x"}},
    ],
)  # fmt: skip
def test_a_strange_recipe_is_a_sentence(area: Area, picture: Path, made: Any) -> None:
    made = {"schema": 1, "verb": "paint", "options": {}, **made} if made else made
    saving.save(images.load(picture), picture, recipe=made)
    back = returns(area, picture)
    assert 'role="alert"' in back["stage"]
    assert "secret" not in back["stage"]
    if made and made["verb"] in ("texture", "stylize"):
        assert f"made by {made['verb']}, whose settings have no place here" in back["stage"]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"preset": []}, "content without a name is not here"),
        ({"options": {"new": 1}}, "does not know option &#x27;new&#x27;"),
        ({"inputs": {"style": {"sha256": [], "weight": "x", "copy": "bm8="}}}, "style without a name is not here"),
        ({"inputs": {"style": {"name": ["../x"], "bytes": {}}, "mask": {"shape": "left half"}}}, "draw it again"),
        ({"inputs": {f"style-{number}": {} for number in range(2, 7)}}, "5 styles, and there is room for 3"),
    ],
)
def test_what_a_recipe_holds_besides_options_may_be_anything(
    area: Area, picture: Path, made: dict[str, Any], said: str
) -> None:
    saving.save(images.load(picture), picture, recipe={"schema": 1, "verb": "paint", "options": {}, **made})
    back = returns(area, picture)
    assert "Settings returned" in back["stage"]
    assert said.replace("content", "photo") in back["stage"]


async def watched(area: Area, job: Job) -> str:
    """The first that is seen of a job, by somebody who then closes the page."""
    watching = area.watch(job, [job.ticket])
    first = await anext(watching)
    await watching.aclose()
    _, begin, stop, _, ticket, tickets = first
    assert (begin["visible"], stop["visible"], ticket, tickets) == (False, True, job.ticket, [job.ticket])
    return str(first[0])


@pytest.mark.parametrize("keep", [False, True])
def test_closing_the_page_stops_the_work_unless_it_is_to_go_on(area: Area, picture: Path, keep: bool) -> None:
    job = area.workshop.submit(paint(picture))
    area.kept(job.ticket, keep)
    assert "next in line" in asyncio.run(watched(area, job))
    assert job.state == ("waiting" if keep else "stopped")


def test_who_goes_back_sees_the_sheet_before(area: Area, picture: Path) -> None:
    earlier, job = (area.workshop.submit(paint(picture)) for _ in range(2))
    area.workshop.stop(earlier)
    earlier.preview = b"the sheet before"

    async def seen() -> list[str]:
        watching = area.watch(job, [])
        first = await anext(watching)
        area.workshop.leave(job, earlier)
        return [shown[0] for shown in (first, *[one async for one in watching])]

    shown = asyncio.run(seen())
    assert job.state == "stopped"
    assert stage.source(b"the sheet before") in shown[-1]


def test_a_sheet_that_is_followed_by_another_leaves_the_stage_to_it(area: Area, picture: Path) -> None:
    job, other = (area.workshop.submit(paint(picture)) for _ in range(2))

    async def seen() -> int:
        watching = area.watch(job, [])
        await anext(watching)
        area.workshop.leave(job, other)
        return len([one async for one in watching])

    assert asyncio.run(seen()) == 0
    assert (job.state, other.state) == ("stopped", "waiting")


def test_a_stop_by_somebody_else_s_guess_does_nothing(area: Area, picture: Path) -> None:
    job = area.workshop.submit(paint(picture))
    for guess in ("", "x", None, [job.ticket], {"ticket": job.ticket}):
        area.stopped(guess)
    assert job.state == "waiting"
    area.stopped(job.ticket)
    assert job.state == "stopped"


def test_what_a_browser_remembers_may_be_anything() -> None:
    assert [known(one) for one in (None, 5, "abc", {"a": 1}, ["t", 5, None])] == [[], [], [], [], ["t"]]


def test_an_order_beyond_the_limits_is_refused(picture: Path) -> None:
    with pytest.raises(OptionError, match="command line"):
        limits.check_size(limits.SIZE + 1)
    with pytest.raises(ImpastoError):
        single.texture_order(single.TEXTURE.options("default"), "default", str(picture), 64, 0, False)
    shaped = single.texture_order(single.TEXTURE.options("default"), "default", str(picture), 128, 64, True)
    assert shaped.arguments[1].size == 128
    assert shaped.keywords == {"preset": "default", "width": 128, "height": 64, "seamless": True}


def test_a_reconstruction_is_of_features_or_of_statistics(picture: Path) -> None:
    options = single.RECONSTRUCT.options("default")
    for kept, weights in ((single.FEATURES, (1.0, 0.0)), (single.STATISTICS, (0.0, 1.0))):
        made = single.reconstruct_order(options, "default", str(picture), kept).arguments[1]
        assert (made.content_weight, made.style_weight) == weights


def test_sheets_are_those_of_the_table(picture: Path) -> None:
    order = gallery.figure_order(TINY, "default", "seeds", [str(picture)], None)
    assert order.arguments == ("seeds", [picture], [])
    with pytest.raises(OptionError, match="no such sheet"):
        gallery.figure_order(TINY, "default", "../../etc/passwd", None, None)


def test_a_sheet_s_middle_is_what_was_chosen(picture: Path) -> None:
    options = options_for(size=160, colors="keep")
    whole = dialing.dial_order(options, str(picture), str(picture))
    assert (whole.around, whole.keywords) == (None, {"size": 160, "colors": "keep"})
    closer = dialing.dial_order(options, str(picture), str(picture), (80.0, 0.5))
    assert closer.keywords == {"size": 160, "colors": "keep", "strength": 80.0, "style_scale": 0.5}
    with pytest.raises(InputError, match="no style"):
        dialing.dial_order(options, str(picture), None)


def test_programs_give_options_by_name(picture: Path) -> None:
    order = service.paint_order({"size": 64, "colors": "keep"}, "default", str(picture), [str(picture)])
    assert order.arguments[2] == options_for(size=64, colors="keep")
    order = service.reconstruct_order({"layer": "relu2_1"}, "default", str(picture))
    assert order.arguments[1].content_layers == ("relu2_1",)
    order = service.reconstruct_order({"style_layers": ["relu1_1"]}, "default", str(picture))
    assert (order.arguments[1].content_weight, order.arguments[1].style_weight) == (0.0, 1.0)
    order = service.texture_order({"width": 64, "height": 64, "seamless": True}, "default", str(picture))
    assert order.keywords == {"preset": "default", "width": 64, "height": 64, "seamless": True}
    for height in (-64, "200"):
        with pytest.raises(OptionError, match="--height is"):
            service.texture_order({"width": 300, "height": height}, "default", str(picture))


@pytest.mark.parametrize("options", ["nonsense", [1], 5, '"text"', {"preset": "nonsense"}, {"weights": "/etc/passwd"}])
def test_what_a_program_sends_amiss_is_a_sentence(line: Workshop, picture: Path, options: Any) -> None:
    async def call() -> None:
        async for _ in service.endpoint(line, service.paint_order)(str(picture), [str(picture)], options):
            pass

    with pytest.raises(server.gr.Error) as caught:
        asyncio.run(call())
    assert "secret" not in str(caught.value)
    assert not line.jobs
