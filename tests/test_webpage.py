"""The page of a network: its list of steps is the network, and nothing in it points anywhere."""

import base64
import json
import re

import numpy as np
import pytest
import torch
from torch import Tensor

from impasto import webpage
from impasto.exporting import smooth_noise
from impasto.transform import PLANS, Plan, TransformNet

ODD = Plan(6, 2, (10,), 1, (6, 4), (5, 3), transposed=False)  # channels that fill no groups of four


def network(plan: Plan) -> TransformNet:
    """With weights that half precision holds."""
    torch.manual_seed(0)
    net = TransformNet(plan, 2).eval().requires_grad_(False)
    for tensor in net.parameters():
        tensor.copy_((tensor + 0.1 * torch.randn_like(tensor)).half())
    return net


def values(text: str) -> dict[str, object]:
    (found,) = re.findall(r"^const network = (.*);$", text, re.MULTILINE)
    return dict(json.loads(found))


@pytest.mark.parametrize("plan", [PLANS["light"], PLANS["transform"], ODD])
@pytest.mark.parametrize("shape", [(32, 40), (45, 31)])
def test_the_steps_are_the_network(plan: Plan, shape: tuple[int, int]) -> None:
    net, photo = network(plan), smooth_noise(shape)
    painted = webpage.run(list(webpage.steps(net)), photo, net.styles[1:])
    torch.testing.assert_close(painted, net(photo, net.styles[1:]), atol=1e-5, rtol=0)


def test_weights_are_where_the_page_looks_for_them() -> None:
    weights = torch.randn(10, 6, 3, 3).half()
    packed = webpage.in_groups(weights).flatten().view(-1, 4)  # a row is what one pixel of the texture holds
    groups = 2  # of the 6 channels into the convolution
    for out, into, down, right in ((0, 0, 0, 0), (9, 5, 2, 1), (4, 3, 1, 2)):
        texel = (out // 4 * 9 + down * 3 + right) * groups * 4 + into
        assert packed[texel, out % 4] == weights[out, into, down, right]
    assert packed.shape[0] == 3 * 9 * groups * 4


def test_a_page_holds_the_network_and_points_nowhere() -> None:
    net = network(ODD)
    text = webpage.page(list(webpage.steps(net)), [net.styles[:1], net.styles[1:]], "</script><b>", 70)
    assert "</script><b>" not in text
    assert not re.findall(r"https?://|//[a-z]+\.|src=|@import", text)
    held = values(text)
    assert (held["title"], held["strength"]) == ("</script><b>", 70)
    numbers = np.frombuffer(base64.b64decode(str(held["weights"])), "<f2")
    wanted = [webpage.in_groups(step["weights"]).flatten() for step in webpage.steps(net) if step["step"] == "conv"]
    assert np.array_equal(numbers, torch.cat(wanted).numpy())


def test_rows_are_in_whole_groups() -> None:
    net = network(ODD)
    text = webpage.page(list(webpage.steps(net)), [net.styles[:1]], "a", 100)
    (row,) = values(text)["rows"]  # type: ignore[misc, attr-defined]
    assert [len(part) for part in row[0]] == [8, 12, 12, 12, 8, 4]
    kept: Tensor = net.styles[0, :6]
    assert row[0][0] == [*kept.tolist(), 0, 0]
