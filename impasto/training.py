"""train(style, photos): a transform network learns one style, or several.

Each step takes a batch of crops of photos, paints them, and lowers the loss of `criterion` by Adam. Everything random is
drawn from the seed and the number of the step. So a training that was killed goes on from its checkpoint to the same
weights, bit by bit, and several processes come to the same as one with their whole batch.

The light network begins with the shipped base, whose reader guesses at the style: what is left to learn takes minutes. So
does presto, which paints in any style before it is fine-tuned on one.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from impasto import backbones, frames, images, machine, networks, processes, recipe, transform
from impasto.backbones import BACKBONES, Backbone
from impasto.checkpoint import FREE, State
from impasto.criterion import Criterion, make_criterion
from impasto.errors import DivergenceError, OptionError
from impasto.images import ImageSource
from impasto.networks import Tuned
from impasto.opening import FilePath
from impasto.options import TrainOptions
from impasto.pairs import Pairs, make_pairs
from impasto.photos import Photos
from impasto.presets import training_options
from impasto.processes import Team
from impasto.transform import PLANS, TUNED, Trained, TransformNet

LEAST = 1e-6  # a gradient below this is mostly rounding; Adam would make a full step of it
WARM_UP = 20  # steps in which the learning rate rises
RECENT = 50  # steps whose duration says how long the others will take
SAMPLES = 4  # photos on a sheet


@dataclass(frozen=True)
class TrainStep:
    """Where a training stands after step `index` of `total`: losses, the network, and how much longer it will take.

    parts: the weighted terms of the loss. seconds: since the training was started or went on; remaining: a forecast.
    broken: photos that were left out, and why; of several processes, at the last step those that any of them found.
    trained: the network, which the next step changes.
    """

    index: int
    total: int
    loss: float
    parts: dict[str, float]
    seconds: float
    remaining: float
    broken: Mapping[str, str]
    trained: Trained = field(repr=False)
    history: Sequence[Mapping[str, float]] = field(repr=False)
    samples: Sequence[Tensor] = field(repr=False)
    state: State = field(repr=False)

    def save(self, path: FilePath) -> Path:
        """Write the network as it stands, for `stylize`. Raises OutputError."""
        return self.trained.save(path)

    def sheet(self) -> Tensor:
        """A few photos, and below each what the network makes of it in every style: (1, 3, H, W) in [0, 1]."""
        edge = min(min(image.shape[2:]) for image in self.samples)
        squares = torch.cat([centered(image, edge) for image in self.samples])
        numbers = torch.arange(len(self.trained.styles), device=squares.device).unsqueeze(1).expand(-1, len(squares))
        with torch.no_grad():
            rows = [self.trained.network(squares, chosen).float() for chosen in numbers]
        return torch.cat([torch.cat(list(row), 2) for row in (squares, *rows)], 1)[None].clamp(0, 1)


def train(
    styles: ImageSource | list[ImageSource] | tuple[ImageSource, ...],
    photos: FilePath,
    options: TrainOptions | None = None,
    *,
    preset: str = "default",
    checkpoint: FilePath | None = None,
    save_every: int = 100,
    paintings: FilePath | None = None,
    on_painting: Callable[[int, int], object] = lambda done, total: None,
    **given: Any,
) -> Iterator[TrainStep]:
    """Train a network to paint in a style, or in each of several, and yield every step.

    styles: pictures, as for `paint`. photos: a folder of photographs; what is below it counts too. options: all of them at
    once; if left out, those of `preset`. Single ones, such as steps=2000, go before either. checkpoint: a file that the
    state is kept in every so many steps and at the end; where it exists, the training goes on from it, and its last step is
    yielded once more. paintings: the folder that the paintings of teacher="paint" are kept in; on_painting: told how many
    are there, of how many.

    Started by `torchrun`, the processes train together; all must see the same files. Raises InputError, OptionError,
    WeightsError, OutputError or DivergenceError.
    """
    options = training_options(preset, **given) if options is None else options.replace(**given)
    pictures: list[ImageSource] = list(styles) if isinstance(styles, list | tuple) else [styles]
    team = processes.from_environment()
    check_batch(options, team)
    device = team.device(machine.choose_device(options.device))
    with processes.joined(team, device):
        folder = Photos(photos, options.size, options.crop, options.seed)
        pairs = None
        if options.teacher == "paint":
            if paintings is None:
                raise OptionError('teacher="paint" keeps paintings in a folder: name it with `paintings`.')
            pairs = make_pairs(folder, pictures, options, paintings, team, on_painting)
        lesson = begin(pictures, folder, pairs, options, device)
        if checkpoint is not None and Path(checkpoint).exists():
            lesson.state.load(checkpoint)
        for step in run(lesson, folder, options, team):
            due = step.index % save_every == 0 or step.index == step.total
            if checkpoint is not None and team.leads and due:
                step.state.save(checkpoint)
            yield step


# ----------------------------------------------------------------------------------------------------------- beginning


@dataclass(frozen=True)
class Lesson:
    """What is trained by what."""

    state: State
    criterion: Criterion
    pairs: Pairs | None
    styles: tuple[str, ...]
    recipe: Mapping[str, Any]


def begin(
    pictures: Sequence[ImageSource], photos: Photos, pairs: Pairs | None, options: TrainOptions, device: torch.device
) -> Lesson:
    """Read the styles and set everything up as it is before the first step."""
    inputs = [recipe.fingerprint(picture) for picture in pictures]
    inside = [frames.without(images.load(picture, options.size), options.style_frame) for picture in pictures]
    styles = [images.resize(one, options.size).to(device) for one in inside]
    if not styles:
        raise OptionError("The list of styles is empty. Give one or more pictures.")
    pooling = BACKBONES[options.backbone].pooling
    backbone = backbones.load(
        options.backbone,
        weights=options.weights,
        offline=options.offline,
        dtype=machine.choose_precision(options.precision, device, pooling),
        device=device,
    )
    backbone.check((*options.content_layers, *options.style_layers))
    criterion = make_criterion(backbone, styles, photos, options)
    network = make_network(backbone, styles, options).to(device)
    settings, precision = recipe.settings(options), str(backbone.dtype).removeprefix("torch.")
    notes = {
        "schema": recipe.SCHEMA,
        "verb": "train",
        "options": settings,
        "styles": inputs,
        "backbone_sha256": backbone.fingerprint,
        "precision": precision,
    }
    fixed = {key: value for key, value in settings.items() if key not in FREE}
    facts = {**fixed, "styles": [one["sha256"] for one in inputs], "precision": precision}
    state = State(network, torch.optim.Adam(network.parameters(), lr=options.learning_rate, eps=LEAST), facts)
    return Lesson(state, criterion, pairs, tuple(Path(one["name"]).stem for one in inputs), notes)


def make_network(backbone: Backbone, styles: Sequence[Tensor], options: TrainOptions) -> TransformNet | Tuned:
    """The network as it is before the first step: random, the base with the rows that its reader guesses, or presto.

    backbone: whose precision and device presto's encoder is to have.
    """
    with torch.random.fork_rng([]):
        torch.manual_seed(options.seed)
        if options.network == TUNED:
            return make_tuned(backbone, styles, options)
        rows = len(styles) + (options.photo_share > 0)
        plan = PLANS[options.network]
        network = TransformNet(plan, rows)
    if options.from_scratch or options.network != "light":
        return network
    parts = transform.base_parts()
    photo = parts["network"].pop("styles")
    network.load_state_dict(parts["network"], strict=False)
    reader = transform.Reader(plan)
    reader.load_state_dict(parts["reader"])
    encoder, _ = networks.presto()
    with torch.no_grad():
        guesses = [reader(transform.read(encoder, image.cpu()), network.plain()) for image in styles]
        network.styles.copy_(torch.cat([*guesses, photo][:rows]))
    return network


def make_tuned(backbone: Backbone, styles: Sequence[Tensor], options: TrainOptions) -> Tuned:
    """presto as it ships, or with a random decoder, and what it knows of the styles."""
    encoder, _ = networks.presto(backbone.dtype, backbone.device)
    decoder = networks.Decoder() if options.from_scratch else networks.presto()[1]
    with torch.no_grad():
        rows = [
            networks.row_of(networks.style_of(networks.Encode(encoder)(networks.padded(image)))) for image in styles
        ]
    return Tuned(encoder, decoder.requires_grad_(True), torch.cat(rows))


# ------------------------------------------------------------------------------------------------------------ the loop


def run(lesson: Lesson, photos: Photos, options: TrainOptions, team: Team) -> Iterator[TrainStep]:
    """Step after step from where the state stands; the next batch is read while one is learnt."""
    state, device = lesson.state, lesson.criterion.backbone.device
    network = team.wrapped(state.network)
    trained = Trained(options.network, state.network, lesson.styles, lesson.recipe)
    samples = [image.to(device) for image in photos.samples(SAMPLES)]
    began, durations = time.monotonic(), [0.0]

    def here() -> TrainStep:
        last = state.history[-1]
        parts = {name: value for name, value in last.items() if name not in ("step", "loss")}
        noted = Trained(trained.name, trained.network, trained.styles, {**lesson.recipe, "steps": state.step})
        remaining = (options.steps - state.step) * median(durations[-RECENT:])
        seconds = time.monotonic() - began
        total = max(options.steps, state.step)
        return TrainStep(
            state.step, total, last["loss"], parts, seconds, max(remaining, 0.0), photos.broken, noted, state.history,
            samples, state,
        )  # fmt: skip

    if state.step:
        yield here()
    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(batch, lesson, photos, batch_at(state.step, options, team), options)
        while state.step < options.steps:
            start = time.monotonic()
            crops = Batch(*(part.to(device) for part in ahead.result()))
            ahead = reader.submit(batch, lesson, photos, batch_at(state.step + 1, options, team), options)
            parts = learn(network, lesson.criterion, crops, state, options)
            values = dict(zip(parts, team.mean(torch.stack(list(parts.values()))).tolist(), strict=True))
            loss = sum(values.values())
            if not np.isfinite(loss):
                raise DivergenceError(
                    f"The loss at step {state.step + 1} is no longer a number. Lower --learning-rate, or the loss weights."
                )
            state.history.append({"step": state.step + 1, "loss": loss, **values})
            durations.append(time.monotonic() - start)
            if state.step == options.steps:
                photos.broken.update(team.united(photos.broken))
            yield here()


class Batch(NamedTuple):
    """Crops of photos (N, 3, crop, crop), crops whose content is held, and the row that each is painted by (N,)."""

    photos: Tensor
    held: Tensor
    chosen: Tensor


def batch(lesson: Lesson, photos: Photos, positions: range, options: TrainOptions) -> Batch:
    """What is learnt from at these positions."""
    rows = [row_at(position, lesson.criterion, options) for position in positions]
    crops = photos.crops(positions)
    return Batch(crops, crops if lesson.pairs is None else lesson.pairs.crops(positions, rows), torch.tensor(rows))


def learn(
    network: torch.nn.Module, criterion: Criterion, crops: Batch, state: State, options: TrainOptions
) -> dict[str, Tensor]:
    """One step of Adam; returns the means of the loss's terms."""
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(state.step, options)
    device = crops.photos.device.type
    with torch.autocast(device, torch.bfloat16, enabled=criterion.backbone.dtype == torch.bfloat16):
        picture = network(crops.photos, crops.chosen)
    parts = {name: part.mean() for name, part in criterion(picture.float(), *crops).items()}
    state.optimizer.zero_grad()
    torch.stack(list(parts.values())).sum().backward()
    state.optimizer.step()
    return {name: part.detach() for name, part in parts.items()}


def batch_at(step: int, options: TrainOptions, team: Team) -> range:
    """The positions, in the sequence of all crops, that this process learns from."""
    return team.share(range(step * options.batch, (step + 1) * options.batch))


def row_at(position: int, criterion: Criterion, options: TrainOptions) -> int:
    """In which style a crop is painted; the last row is the photo itself."""
    random = np.random.default_rng((options.seed, position, 2))
    count = len(criterion.targets)
    return count if random.random() < options.photo_share else int(random.integers(count))


def learning_rate(step: int, options: TrainOptions) -> float:
    """It rises over a few steps, stays, and falls linearly to nothing over the last share of them."""
    falling = options.decay * options.steps
    left = (options.steps - step) / falling if falling else 1.0
    return options.learning_rate * min(1.0, (step + 1) / WARM_UP, left)


def enough(history: Sequence[Mapping[str, float]], worth: float = 0.02) -> int | None:
    """The step from which more training lowers the loss by less than `worth` of it; None where that cannot be said yet.

    The losses of the second half of the steps are taken to fall like a + b / step; least squares give both.
    """
    later = [row for row in history[len(history) // 2 :] if row["step"] > WARM_UP]
    if len(later) < 2 * RECENT:
        return None
    inverse = np.array([1 / row["step"] for row in later])
    slope, floor = np.polyfit(inverse, np.array([row["loss"] for row in later]), 1)
    if slope <= 0 or floor <= 0:
        return None if floor <= 0 else int(later[0]["step"])
    return round(slope / (worth * floor))


# -------------------------------------------------------------------------------------------------------------- checks


def check_batch(options: TrainOptions, team: Team) -> None:
    """Raise OptionError where a batch cannot be shared out evenly."""
    if options.batch % team.count:
        raise OptionError(
            f"--batch is {options.batch} and there are {team.count} processes. Choose a multiple of {team.count}."
        )


def centered(image: Tensor, edge: int) -> Tensor:
    """The middle of (1, 3, H, W), a square."""
    top, left = ((side - edge) // 2 for side in image.shape[2:])
    return image[:, :, top : top + edge, left : left + edge]
