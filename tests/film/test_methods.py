"""How frames are painted: steadily, fast, after cuts, by several styles."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import clips
import numpy as np
import pytest
import torch
from PIL import Image
from reels import FAST, SLOW, as_tensor, make, shots
from torch import Tensor

import impasto
from impasto import images, transform
from impasto.distances import normal, wasserstein
from impasto.errors import OptionError
from impasto.film import flicker, flow, methods
from impasto.networks import TAPS
from impasto.options import StylizeOptions
from impasto.scene import Scene
from impasto.shipped import DEMO
from impasto.stylizer import Stylizer


def test_the_nearest_picture_counts_where_it_can_be_trusted_and_a_farther_one_elsewhere() -> None:
    near, far = torch.full((1, 3, 1, 4), 0.2), torch.full((1, 3, 1, 4), 0.8)
    trust = [torch.tensor(row).view(1, 1, 1, 4) for row in ([1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0])]
    still = torch.zeros(1, 2, 1, 4)
    image, trusted, _ = methods.merged([methods.Past(near, trust[0], still), methods.Past(far, trust[1], still)])
    assert torch.equal(trusted.flatten(), torch.tensor([1.0, 1.0, 1.0, 0.0]))
    assert torch.allclose(image[0, 0, 0, :3], torch.tensor([0.2, 0.8, 0.2]))


def test_what_came_in_since_the_network_painted_is_taken_from_it() -> None:
    """Two pixels a frame come in at the right; the network paints every third frame, and last did six pixels ago."""
    fast = object.__new__(methods.Fast)
    fast.repaint, fast.steadiness = 3, 1.0
    flow = torch.zeros(1, 2, 8, 400)
    flow[:, 0] = 2
    trust = torch.ones(1, 1, 8, 400)
    trust[..., -2:] = 0
    painted = fast(None, [methods.Past(torch.zeros(1, 3, 8, 400), trust, flow)], torch.ones(1, 3, 8, 400))  # type: ignore[arg-type]
    assert painted[..., -6:].min() == 1
    assert painted[..., :-6].max() == 0


@pytest.mark.parametrize("method", ["fast", "steady"])
def test_a_still_video_is_painted_still(method: str, style: Path, tmp_path: Path) -> None:
    source = clips.write(tmp_path / "in.mp4", clips.pan(1) * 4, tone=False)
    options = {**SLOW, "temporal_weight": 1000.0} if method == "steady" else {**FAST, "steadiness": 0.9}
    painted = [frame.image for frame in impasto.video(source, style, method=method, **options)]
    for before, after in pairwise(painted):
        assert before is not None
        assert after is not None
        assert float((before - after).abs().mean()) < 0.02


def test_after_a_cut_nothing_of_the_scene_before_is_left(style: Path, tmp_path: Path) -> None:
    source = clips.write(tmp_path / "in.mp4", clips.cut(6), tone=False)
    alone = clips.write(tmp_path / "second.mp4", clips.cut(6)[3:], tone=False)
    whole = [frame.image for frame in impasto.video(source, style, **FAST)]
    second = [frame.image for frame in impasto.video(alone, style, **FAST)]
    assert whole[3] is not None
    assert second[0] is not None
    assert float((whole[3] - second[0]).abs().mean()) < 0.01


def test_no_strength_is_the_video_itself(pan: Path, style: Path) -> None:
    frames = impasto.video(pan, style, strength=0.0, steadiness=0.0, colors="keep", **FAST)
    for frame, shot in zip(frames, shots(pan), strict=True):
        assert frame.image is not None
        assert float((frame.image - as_tensor(shot.picture)).abs().mean()) < 0.08


def test_protect_and_masks_hold_in_every_frame(pan: Path, style: Path) -> None:
    for frame, shot in zip(
        impasto.video(pan, style, protect="left", mask_softness=0.0, **FAST), shots(pan), strict=True
    ):
        assert frame.image is not None
        left, content = frame.image[..., :30], as_tensor(shot.picture)[..., :30]
        assert float((left - content).abs().max()) < 0.01
        assert float((frame.image[..., 34:] - as_tensor(shot.picture)[..., 34:]).abs().mean()) > 0.02


def test_one_style_changes_into_the_next(pan: Path, style: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    Image.fromarray(255 - clips.texture(40, 40, 9)).save(other)
    plain = {**FAST, "steadiness": 0.0}
    first, second = ([frame.image for frame in impasto.video(pan, each, **plain)] for each in (style, other))
    changing = [
        frame.image for frame in impasto.video(pan, [str(style), str(other)], moments=["0s", Fraction(7, 24)], **plain)
    ]
    distances = [
        [float((image - end).square().mean()) for image, end in zip(changing, ends, strict=True)]
        for ends in (first, second)
    ]
    assert distances[0][0] < 1e-5
    assert distances[1][-1] < 1e-5
    assert distances[0][4] > distances[0][1]
    assert distances[1][4] < distances[1][1]


def test_a_loop_longer_than_its_clip_is_said_to_be_cut(style: Path, tmp_path: Path) -> None:
    source = clips.write(tmp_path / "in.mkv", clips.pan(3, 32, 32), codec="ffv1", tone=False)
    assert make(source, style, tmp_path / "out.mkv", loop=3) == []
    (said,) = make(source, style, tmp_path / "long.mkv", loop=5)
    assert "there are 3 frames" in said


def test_a_loop_leads_its_end_into_its_beginning_and_does_not_darken(style: Path, tmp_path: Path) -> None:
    """A clip that ends where it begins: painted as a loop, the step over its end is no larger than the others."""
    pictures = clips.pan(9)
    source = clips.write(tmp_path / "in.mp4", [*pictures, *reversed(pictures[1:-1])], tone=False)
    gaps, light = {}, {}
    for loop in (0, 4):
        target = tmp_path / f"out{loop}.mkv"
        make(source, style, target, codec="ffv1", loop=loop, steadiness=0.95)
        found = [as_tensor(shot.picture) for shot in shots(target)]
        assert len(found) == 16
        shown = shots(source)
        moved, trusted = flow.between(as_tensor(shown[0].picture), as_tensor(shown[-1].picture))
        gaps[loop] = flicker.warping_error(found[0], found[-1], moved, trusted)
        light[loop] = [float(image.mean()) for image in found[:4]]
    assert gaps[4] < gaps[0] / 2
    assert np.allclose(light[4], light[0], atol=0.02)


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        (clips.pan(1, 96, 128) * 10, [0, 3, 6, 9]),
        (clips.cut(10, 96, 128), [0, 2, 4, 5, 6, 8]),  # the cut is at 5; every frame has two hundredths that are new
    ],
)
def test_presto_runs_for_every_nth_frame_and_oftener_where_much_is_new(
    drawn: list[np.ndarray], expected: list[int], style: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted: list[int] = []
    real = methods.Fast.draft

    def noted(method: methods.Fast, scene: Scene, motions: Any, index: int) -> Tensor | None:
        draft = real(method, scene, motions, index)
        painted.extend([index] if draft is not None else [])
        return draft

    monkeypatch.setattr(methods.Fast, "draft", noted)
    source = clips.write(tmp_path / "in.mp4", drawn, tone=False)
    list(impasto.video(source, style, **{**FAST, "repaint": 3}))
    assert painted == expected


def test_a_still_is_touched_and_comes_to_rest(tmp_path: Path) -> None:
    """With touches it comes nearer to the style than presto in one pass, and nothing goes on changing."""
    still = clips.write(tmp_path / "in.mp4", clips.pan(1, 96, 128) * 16, tone=False)
    painting = DEMO / "swirl.jpg"
    found = [frame.image for frame in impasto.video(still, painting, **{**FAST, "touches": None})]
    once = [frame.image for frame in impasto.video(still, painting, **{**FAST, "touches": 0}, steadiness=0)]
    stylizer = Stylizer(StylizeOptions(size=128, engine="torch", precision="float32"))
    style = stylizer.style(images.resize(images.load(painting), 128))

    def away(image: Tensor | None) -> float:
        assert image is not None
        known = stylizer.style(image)
        return sum(float(wasserstein(known[layer], normal(style[layer]), "mean")) for layer in TAPS)

    assert all(away(image) < 0.8 * away(once[-1]) for image in found)
    changes = [float((one - other).square().mean().sqrt()) for one, other in pairwise(found)]
    assert max(changes[-3:]) < 0.02
    assert max(changes[-3:]) < changes[0]


def test_the_smaller_a_frame_the_oftener_it_is_touched() -> None:
    shapes = ((120, 160), (192, 256), (180, 320), (270, 480), (360, 640), (1080, 1920))
    assert [methods.touches_for(*shape) for shape in shapes] == [8, 8, 6, 2, 1, 1]


@pytest.mark.parametrize("strength", [0, 50])
def test_a_still_keeps_its_strength(strength: float, tmp_path: Path) -> None:
    """However often it is painted over, it does not go on to the style."""
    still = clips.write(tmp_path / "in.mp4", clips.pan(1, 96, 128) * 12, tone=False)
    frames = [frame.image for frame in impasto.video(still, DEMO / "swirl.jpg", **FAST, strength=strength)]
    (photo,) = {shot.picture.tobytes(): as_tensor(shot.picture) for shot in shots(still)}.values()
    away = [float((image - photo).square().mean().sqrt()) for image in frames]
    whole = list(impasto.video(still, DEMO / "swirl.jpg", **FAST))[-1].image
    if strength == 0:
        assert max(away) < 0.01
    else:
        assert max(away) < 0.8 * float((whole - photo).square().mean().sqrt())


def test_a_trained_network_paints_a_video_as_it_paints_its_frames(pan: Path, tmp_path: Path) -> None:
    network = tmp_path / "n.safetensors"
    torch.manual_seed(0)
    transform.Trained("light", transform.TransformNet(transform.PLANS["light"], 2), ("a",)).save(network)
    painted = [frame.image for frame in impasto.video(pan, network, **FAST, steadiness=0, strength=60.0)]
    options = StylizeOptions(
        **{name: value for name, value in FAST.items() if name not in ("repaint", "touches")}, size=64, strength=60.0
    )
    alone = [impasto.stylize(shot.picture, network, options) for shot in shots(pan)]
    for one, other in zip(painted, alone, strict=True):
        assert one is not None
        torch.testing.assert_close(one, other.image, atol=0.5 / 255 + 1e-5, rtol=0)  # frames are bytes


def test_a_trained_network_and_the_optimiser_do_not_go_together(pan: Path, tmp_path: Path) -> None:
    network = tmp_path / "n.safetensors"
    transform.Trained("light", transform.TransformNet(transform.PLANS["light"]), ("a",)).save(network)
    with pytest.raises(OptionError, match="Choose --method fast"):
        next(impasto.video(pan, network, method="steady", **SLOW))


def test_a_style_s_size_can_be_found_for_a_video(pan: Path, style: Path) -> None:
    found = next(impasto.video(pan, style, **FAST, style_scale="auto")).image
    assert found is not None
    assert bool(found.isfinite().all())
