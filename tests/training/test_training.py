"""train: a run that goes on is the run that was not stopped; several processes are one; what is wrong is said."""

import io
import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lessons import FLAGS, QUICK, last
from PIL import Image
from rich.console import Console

import impasto
from impasto import cli, images, training, transform
from impasto.checkpoint import State
from impasto.errors import InputError, OptionError, OutputError, WeightsError
from impasto.options import TrainOptions
from impasto.outputs.terminal import TrainProgress
from impasto.processes import Team
from impasto.training import TrainStep, enough, learning_rate, train


def weights(step: TrainStep) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in step.trained.network.state_dict().items()}


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    for key, value in one.items():
        assert torch.equal(value, other[key]), key


def test_the_same_training_gives_the_same_weights_and_another_seed_does_not(photos: Path, style: Path) -> None:
    torch.manual_seed(1)
    first = last(style, photos)
    torch.manual_seed(2)
    assert_equal(weights(first), weights(last(style, photos)))
    assert not torch.equal(first.trained.network.styles, last(style, photos, seed=1).trained.network.styles)


@pytest.mark.parametrize(("network", "stop"), [("light", 1), ("light", 3), ("presto", 2)])
def test_a_training_that_was_stopped_goes_on_to_the_same_weights(
    photos: Path, style: Path, tmp_path: Path, network: str, stop: int
) -> None:
    quick = {**QUICK, "network": network}
    whole = last(style, photos, network=network)
    checkpoint = tmp_path / "state.safetensors"
    for step in train(style, photos, **quick, checkpoint=checkpoint, save_every=1):
        if step.index == stop:
            break
    again = list(train(style, photos, **quick, checkpoint=checkpoint, save_every=1))
    assert [step.index for step in again] == list(range(stop, 5))  # the last step once more
    assert_equal(weights(whole), weights(again[-1]))
    assert again[-1].history == whole.history
    done = list(train(style, photos, **quick, checkpoint=checkpoint))
    assert [step.index for step in done] == [4]


def test_killed_without_warning_it_goes_on_to_the_same_weights(photos: Path, style: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole.safetensors", tmp_path / "killed.safetensors"
    flags = [*FLAGS, "--steps", "6", "--save-every", "2"]
    arguments = ["train", str(style), "--photos", str(photos), *flags]
    dying = (
        "import os, signal\n"
        "from impasto import cli, training\n"
        "learn = training.learn\n"
        "def deadly(network, criterion, crops, state, options):\n"
        "    if state.step == 3: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return learn(network, criterion, crops, state, options)\n"
        "training.learn = deadly\n"
        f"cli.run({[*arguments, '-o', str(killed)]!r})\n"
    )
    threads = torch.get_num_threads()
    program = f"import torch\ntorch.set_num_threads({threads})\n{dying}"
    root = Path(impasto.__file__).parent.parent
    assert subprocess.run([sys.executable, "-c", program], cwd=root).returncode == -9
    assert transform.load(killed).recipe["steps"] == 2
    assert cli.run([*arguments, "-o", str(killed)]) == cli.run([*arguments, "-o", str(whole)]) == 0
    one, other = (transform.load(path).network.state_dict() for path in (whole, killed))
    assert_equal(one, other)


@pytest.mark.parametrize(
    ("first", "every", "stop", "said"),
    [
        (0, 2, 1, "Stopped before the first checkpoint: nothing was kept."),
        (0, 2, 3, "Stopped at step 3: net.safetensors is the network after step 2;"),
        (2, 100, 4, "Stopped at step 4: net.safetensors is the network after step 2;"),
        (3, 2, 3, "Stopped at step 3: net.safetensors is the network after step 3;"),
        (3, 2, 5, "Stopped at step 5: net.safetensors is the network after step 4;"),
    ],
)
def test_a_training_that_is_stopped_says_which_step_stands(
    photos: Path, style: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    first: int, every: int, stop: int, said: str,
) -> None:  # fmt: skip
    """first: the steps of an earlier training, which is gone on from."""

    def show(self: TrainProgress, step: TrainStep) -> None:
        if step.index == stop:
            raise KeyboardInterrupt

    monkeypatch.chdir(style.parent)
    flags = [*FLAGS, "--save-every", str(every), "-o", "net.safetensors"]
    command = ["train", str(style), "--photos", str(photos), *flags]
    if first:
        assert cli.run([*command, "--steps", str(first)]) == 0
    monkeypatch.setattr(TrainProgress, "show", show)
    capsys.readouterr()
    assert cli.run([*command, "--steps", "6"]) == 130
    assert said in capsys.readouterr().err
    if "nothing" not in said:
        assert f"after step {transform.load('net.safetensors').recipe['steps']};" in said


def test_a_training_that_is_stopped_while_it_reads_says_that_its_checkpoint_stands(
    photos: Path, style: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(style.parent)
    command = ["train", str(style), "--photos", str(photos), *FLAGS, "-o", "net.safetensors"]
    assert cli.run([*command, "--steps", "1"]) == 0
    monkeypatch.setattr(training, "begin", interrupt)
    assert cli.run([*command, "--steps", "2"]) == 130
    assert "net-checkpoint.safetensors is as it was" in capsys.readouterr().err


def test_the_loss_falls_from_scratch_too(photos: Path, style: Path) -> None:
    steps = list(train(style, photos, **{**QUICK, "steps": 12, "from_scratch": True, "photo_share": 0.0}))
    losses = [step.loss for step in steps]
    assert np.mean(losses[-3:]) < 0.9 * np.mean(losses[:3])


def test_the_base_begins_nearer_than_random_weights(photos: Path, style: Path) -> None:
    based, random = (
        next(train(style, photos, steps=1, batch=2, crop=64, size=64, photo_share=0.0, from_scratch=scratch)).loss
        for scratch in (False, True)
    )
    assert based < random


def test_terms_add_up_and_forecasts_are_of_this_run(photos: Path, style: Path) -> None:
    steps = list(train(style, photos, **QUICK))
    for step in steps:
        assert step.loss == pytest.approx(sum(step.parts.values()))
    assert [step.remaining > 0 for step in steps] == [True, True, True, False]
    assert [row["step"] for row in steps[-1].history] == [1, 2, 3, 4]


def test_several_styles_share_one_network(photos: Path, style: Path, tmp_path: Path) -> None:
    step = last([style, photos / "0.png"], photos)
    assert step.trained.styles == ("stripes", "0")
    assert step.trained.network.styles.shape[0] == 3
    assert step.sheet().shape == (1, 3, 3 * 51, 4 * 51)  # photos and two styles; 64 x 51 is their shape
    path = step.save(tmp_path / "two.safetensors")
    plain = {"size": 64, "engine": "torch", "precision": "float32"}
    first, second, both = (
        impasto.stylize(photos / "1.png", path, **plain, style_weights=shares).image
        for shares in ((1.0, 0.0), (0.0, 1.0), (0.5, 0.5))
    )
    assert not torch.equal(first, second)
    assert not torch.equal(both, first)


@pytest.mark.parametrize(
    ("team", "chosen", "own"),
    [
        (Team(5, 8, 1), "cuda", "cuda:1"),
        (Team(5, 8, 1), "cuda:0", "cuda:0"),
        (Team(1, 2, 1), "cpu", "cpu"),
        (Team(), "cuda", "cuda"),
    ],
)
def test_every_process_takes_a_graphics_card_of_its_own(team: Team, chosen: str, own: str) -> None:
    assert team.device(torch.device(chosen)) == torch.device(own)


def test_what_several_processes_learn_is_what_one_learns(photos: Path, style: Path, tmp_path: Path) -> None:
    """A broken photo that the second alone comes upon is named by both."""
    (photos / "45.png").write_text("no picture")
    quick = {**QUICK, "style_shares": False}
    alone = last(style, photos, **quick)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = (
        "import json, sys, torch, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "torch.set_num_threads(1)\n"
        "from impasto.training import train\n"
        f"named = [(step, list(step.broken)) for step in train({str(style)!r}, {str(photos)!r}, **{quick!r})]\n"
        "named[-1][0].save(sys.argv[1])\n"
        "print(json.dumps([named[-1][0].loss, named[-1][1], named[-2][1]]))\n"
    )
    common = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    root = Path(impasto.__file__).parent.parent
    team = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / f"{rank}.safetensors")],
            cwd=root, env={**common, "RANK": str(rank)}, stdout=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    losses, broken, before = zip(*(json.loads(process.communicate(timeout=120)[0]) for process in team), strict=True)
    assert losses == pytest.approx([alone.loss] * 2, abs=1e-5)
    assert broken == ([str(photos / "45.png")],) * 2
    assert before == ([], broken[1])
    for rank in range(2):
        state = transform.load(tmp_path / f"{rank}.safetensors").network.state_dict()
        for key, value in weights(alone).items():
            torch.testing.assert_close(state[key], value, atol=1e-5, rtol=0)


def test_the_learning_rate_rises_stays_and_falls_to_nothing() -> None:
    options = TrainOptions(steps=200, learning_rate=1.0, decay=0.25)
    rates = [learning_rate(step, options) for step in range(201)]
    assert rates[0] == 1 / training.WARM_UP
    assert rates[training.WARM_UP : 151] == [1.0] * (151 - training.WARM_UP)
    assert rates[175] == pytest.approx(0.5)
    assert rates[200] == 0


def test_enough_is_where_a_known_curve_has_little_left_to_fall() -> None:
    history = [{"step": step, "loss": 0.5 + 20 / step} for step in range(1, 401)]
    assert enough(history, worth=0.02) == pytest.approx(20 / (0.02 * 0.5), rel=0.01)
    assert enough(history[:50]) is None
    assert enough([{"step": step, "loss": 1.0} for step in range(1, 401)]) <= 400


def test_the_bar_says_how_long_training_helps(photos: Path, style: Path) -> None:
    last_step = last(style, photos, steps=1)
    said = io.StringIO()
    with TrainProgress(Console(file=said, force_terminal=True, width=200)) as progress:
        for index, floor in ((100, 0.0), (400, 0.5), (450, 0.5), (2000, 0.5)):
            history = [{"step": step, "loss": floor + 20 / step} for step in range(1, index + 1)]
            progress.show(replace(last_step, index=index, history=history))
            progress.refresh()
            found = re.findall(r"left(, [a-z ]+(?:\d+)?)?", said.getvalue())[-1].strip()
            assert found == {100: "", 2000: ", more will hardly help"}.get(index, ", helps until about step 2000")


def test_fast_is_the_recipe_of_system_d() -> None:
    from impasto.presets import training_options

    options = training_options("fast")
    taps = {*options.style_layers, *options.content_layers}
    assert taps == {"relu1_2", "relu2_2", "relu3_4", "relu4_2", "relu4_4", "relu5_4"}
    assert (options.network, options.backbone, options.from_scratch) == ("transform", "vgg19", True)
    with pytest.raises(OptionError, match="Choose among default, presto, fast"):
        training_options("slow")


# ---------------------------------------------------------------------------------------------------------- bad input


def test_a_checkpoint_of_another_training_is_refused(photos: Path, style: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "state.safetensors"
    last(style, photos, steps=1, checkpoint=checkpoint)
    for changed, word in (({"network": "transform"}, "network was light"), ({"batch": 1}, "batch was 2")):
        with pytest.raises(OptionError, match=word):
            last(style, photos, checkpoint=checkpoint, **changed)
    with pytest.raises(OptionError, match="styles was"):
        last(photos / "1.png", photos, checkpoint=checkpoint)
    assert last(style, photos, steps=2, checkpoint=checkpoint).index == 2


@pytest.mark.parametrize("content", [b"", b"no checkpoint at all", None])
def test_a_damaged_checkpoint_is_refused(photos: Path, style: Path, tmp_path: Path, content: bytes | None) -> None:
    checkpoint = tmp_path / "state.safetensors"
    if content is None:
        last(style, photos, steps=1).save(checkpoint)  # a network, not a checkpoint
    else:
        checkpoint.write_bytes(content)
    with pytest.raises(WeightsError, match=r"state\.safetensors"):
        last(style, photos, checkpoint=checkpoint)


def test_a_full_disk_leaves_the_last_checkpoint(
    photos: Path, style: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "net.safetensors"
    save = State.save

    def full(state: State, path: Path) -> None:
        if state.step == 3:
            monkeypatch.setattr(os, "fsync", no_space)
        save(state, path)

    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(State, "save", full)
    flags = [*FLAGS, "--steps", "4", "--save-every", "1"]
    assert cli.run(["train", str(style), "--photos", str(photos), "-o", str(target), *flags]) == 2
    assert "No space left" in capsys.readouterr().err
    assert transform.load(target).recipe["steps"] == 2
    monkeypatch.undo()
    kept = {"batch": 1, "crop": 64, "size": 64, "style_layers": ("relu1_1",), "content_layers": ("relu2_1",)}
    again = train(style, photos, **kept, checkpoint=tmp_path / "net-checkpoint.safetensors")
    assert next(again).index == 2
    assert not list(tmp_path.glob(".net*"))


def test_a_style_that_is_missing_is_said_by_the_library_too(photos: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.jpg does not exist: check the spelling"):
        last("missing.jpg", photos)


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("no photos", "cocodataset.org"),
        ("no folder", "is no folder"),
        ("a long folder", "is no folder"),
        ("empty folder", "There is no picture"),
        ("broken photos", "can be read"),
        ("a tiny style", "1 x 1"),
        ("no style", "does not exist"),
        ("another suffix", r".safetensors"),
        ("a missing folder", "create its folder"),
        ("save-every", "--save-every is 0"),
        ("crop", "--crop is 10"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    photos: Path, style: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str, says: str
) -> None:
    folder, flags = str(photos), ["--crop", "64", "--size", "64"]
    target = tmp_path / "net.safetensors"
    if what == "no folder":
        folder = str(tmp_path / "nowhere")
    elif what == "a long folder":
        folder = "a" * 300
    elif what == "empty folder":
        (tmp_path / "empty").mkdir()
        folder = str(tmp_path / "empty")
    elif what == "broken photos":
        for path in photos.iterdir():
            path.write_text("no picture")
    elif what == "a tiny style":
        Image.new("RGB", (1, 1)).save(style)
    elif what == "no style":
        style.unlink()
    elif what == "another suffix":
        target = tmp_path / "net.onnx"
    elif what == "a missing folder":
        target = tmp_path / "missing" / "net.safetensors"
    elif what == "save-every":
        flags += ["--save-every", "0"]
    elif what == "crop":
        flags = ["--crop", "10"]
    arguments = ["train", str(style), *(() if what == "no photos" else ("--photos", folder)), "-o", str(target), *flags]
    assert cli.run(arguments) == 2
    said = capsys.readouterr().err.strip()
    assert says in said
    assert said.startswith("impasto: ")
    assert len(said.splitlines()) == 1
    assert not target.exists()


def test_a_batch_that_cannot_be_shared_out_is_refused(
    photos: Path, style: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(OptionError, match="multiple of 3"):
        last(style, photos)


# ------------------------------------------------------------------------------------------------------ command line


def test_the_command_line_trains_and_stylizes(
    photos: Path, style: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "broken.jpg").write_bytes(b"no picture")
    target, curve = tmp_path / "net.safetensors", tmp_path / "curve.csv"
    flags = [*FLAGS, "--steps", "4", "--save-every", "2", "--curve", str(curve)]
    assert cli.run(["train", str(style), "--photos", str(photos), "-o", str(target), *flags]) == 0
    said = capsys.readouterr().err
    assert "4 steps" in said
    assert "left out: " in said
    assert "broken.jpg" in said
    assert len(curve.read_text().splitlines()) == 5
    assert images.load(tmp_path / "net-samples.jpg").shape[1] == 3
    painted = tmp_path / "painted.png"
    plain = ["--engine", "torch", "--size", "64", "--precision", "float32"]
    assert cli.run(["stylize", str(photos / "0.png"), str(target), "-o", str(painted), *plain]) == 0
    assert "net.safetensors by torch" in capsys.readouterr().err
    recipe = impasto.read_recipe(painted)
    assert recipe is not None
    assert recipe["inputs"]["style"]["name"] == "net.safetensors"
    with torch.no_grad():
        photo = images.resize(images.load(photos / "0.png"), 64)
        network = transform.load(target)
        expected = network.network(photo, network.row())
    assert (images.load(painted) - expected).abs().max() < 1 / 255
    assert cli.run(["rerun", str(painted), "--inputs", str(photos), "-o", str(tmp_path / "again.png")]) == 0
    assert "net.safetensors by torch" in capsys.readouterr().err
    assert cli.run(["recipe", str(target)]) == 0
    assert json.loads(capsys.readouterr().out)["verb"] == "train"


def test_a_curve_of_an_unknown_suffix_is_refused_before_training(photos: Path, style: Path, tmp_path: Path) -> None:
    from impasto.outputs.trainings import Results, check

    with pytest.raises(OutputError, match="suffix"):
        check([style], Results(tmp_path / "net.safetensors", curve=tmp_path / "curve.txt"))


def test_tensorboard_gets_losses_and_samples(photos: Path, style: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    target, board = tmp_path / "net.safetensors", tmp_path / "board"
    flags = [*FLAGS, "--steps", "3", "--tensorboard", str(board), "-q"]
    assert cli.run(["train", str(style), "--photos", str(photos), "-o", str(target), *flags]) == 0
    events = EventAccumulator(str(board)).Reload()
    assert [event.step for event in events.Scalars("loss")] == [1, 2, 3]
    assert events.Tags()["images"] == ["samples"]
