"""What painting would cost on this machine, without painting."""

from collections.abc import Callable, Iterator

from torch import Tensor

from impasto import coverage, forecast, machine, scene
from impasto.backbones import Backbone
from impasto.equipment import load_backbone, make_optimizer, precision
from impasto.forecast import Forecast
from impasto.images import ImageSource
from impasto.objective import make_objective, make_terms
from impasto.optimize import Step, optimize
from impasto.options import PaintOptions
from impasto.scene import Picture, Scene, Styles, View
from impasto.shelf import Shelf
from impasto.starts import start


def plan(content: ImageSource, style: Styles, options: PaintOptions) -> Forecast:
    """What painting would cost here, and the plan that fits --memory and --budget, without painting. Raises as `paint`."""
    device = machine.choose_device(options.device)
    pictures = scene.load(content, scene.list_styles(style), None, device, options)
    options = coverage.settled(options, pictures)
    options = forecast.fit_memory(pictures.extremes(), options, device, precision(options, device).itemsize)
    backbone = load_backbone(options, device, Shelf())
    foresee = forecaster(pictures, backbone, options)
    return foresee(forecast.fit_budget(options, lambda fewer: foresee(fewer).seconds))


def forecaster(pictures: Scene, backbone: Backbone, options: PaintOptions) -> Callable[[PaintOptions], Forecast]:
    """Tells time and memory of these options with any steps, from one probe with the very objective and optimiser."""

    shelf = Shelf()

    def view(picture: Tensor) -> View:
        return View(picture, (Picture(picture.flip(3)),))

    def steps(picture: Tensor, count: int) -> Iterator[Step]:
        seen = view(picture)
        objective = make_objective(seen, backbone, make_terms(seen, backbone, options, shelf))
        return optimize(picture, objective, steps=count, optimizer=make_optimizer(options))

    whole = options.replace(tile=0)  # what tiles cost is reckoned from that

    def begin(picture: Tensor) -> Tensor:
        return start(view(picture), whole, shelf)

    cost = forecast.probe(begin, steps, backbone.device, options.size)
    return lambda plan: forecast.estimate(pictures.extremes(), plan, cost, backbone.dtype.itemsize)
