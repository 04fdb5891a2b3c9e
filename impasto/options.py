"""Every option of a painting, declared once: default, limits, choices and help for library, command line and docs.

This module imports neither torch nor a front end, so that `impasto --help` answers at once.
"""

from dataclasses import dataclass
from typing import Literal

from impasto.bundle import Bundle, bytes_of, flag, option, seconds_of
from impasto.errors import OptionError

BackboneName = Literal["petit", "vgg19", "vgg19-caffe", "vgg16"]
Pooling = Literal["auto", "average", "max", "l2"]
Padding = Literal["auto", "zeros", "reflect", "replicate", "replicate-first", "circular"]
StyleLoss = Literal["wasserstein", "moments", "gram", "sliced", "histogram", "earth-mover", "nearest"]
GramNormalization = Literal["none", "positions", "elements", "root"]
Reduction = Literal["relative", "mean", "sum", "half", "quarter"]
Variation = Literal["squared", "absolute", "nine-point"]
Parametrization = Literal["pixels", "pyramid"]
OptimizerName = Literal["lbfgs", "adam"]
StyleFrame = Literal["cut", "keep"]
Colors = Literal["style", "keep", "match", "match-pca", "match-cholesky", "histogram"]
Precision = Literal["auto", "float32", "bfloat16"]
VideoMethod = Literal["frame", "steady", "fast"]
CodecName = Literal["auto", "h264", "hevc", "vp9", "av1", "prores", "ffv1"]
EngineName = Literal["auto", "openvino", "onnxruntime", "compile", "torch"]
NetworkName = Literal["light", "transform", "presto"]
TeacherName = Literal["photo", "paint"]
FormatName = Literal["onnx", "openvino", "torch", "html"]
FORMATS: dict[FormatName, str] = {"onnx": ".onnx", "openvino": ".xml", "torch": ".pt", "html": ".html"}  # of exports

STARTS = ("presto", "content", "style", "noise", "style-noise", "white", "gray")
SMALLEST_TILE = 64
SMALLEST = 16  # pixels on the shorter side: relu5_1 of a VGG, which halves four times, is one position there


@dataclass(frozen=True)
class Options(Bundle):
    """What every way of painting has."""

    size: int = option(512, "Longer side of the result in pixels.", least=SMALLEST, most=16384)
    style_scale: float | Literal["auto"] = option(
        1.0,
        "Size of the style's features against the picture's; auto: at which they cover the photo's best.",
        least=0.05,
        most=20,
    )
    style_frame: StyleFrame = option(
        "cut", "A frame that the style shows around itself: cut leaves it out, keep does not."
    )
    colors: Colors = option(
        "style",
        "Whose colors: the style's; keep: the photo's own; match, match-pca, match-cholesky, histogram: the style's, "
        "matched to the photo's before painting.",
    )
    color_strength: float = option(1.0, "How far --colors goes, from 0, the style's colors, to 1.", least=0, most=1)
    mask_softness: float = option(
        0.05, "Width of the soft edge of a mask that is a shape, as a share of the longer side.", least=0, most=1
    )
    precision: Precision = option("auto", "Of the network: auto is bfloat16 where the machine has it and it is safe.")
    device: str = option("auto", "auto, cpu, cuda, cuda:1, mps, ...")


@dataclass(frozen=True)
class CourseOptions(Options):
    """How a painting goes on: its scales and steps, where it starts, the optimiser, and what it may take."""

    steps: int = option(
        64,
        "Evaluations at every scale.",
        note="From noise or a plain canvas Adam's default is 160.",
        least=1,
        most=100_000,
    )
    first_steps: int = option(
        0, "Evaluations at the first, coarsest scale; 0: as many as --steps.", least=0, most=100_000
    )
    min_scale: int = option(
        384,
        "Longer side at the first scale in pixels; as large as --size or larger: one scale only.",
        least=SMALLEST,
        most=16384,
    )
    scale_factor: float = option(2.0, "Ratio of the sizes of two successive scales.", least=1.1, most=8)
    start: str = option("presto", f"What the canvas shows at first: {', '.join(STARTS)}, or the path of a picture.")
    start_noise: float = option(0.0, "Share of noise blended into the start, 0 to 1.", least=0, most=1)
    seed: int = option(0, "Seed of every random number.", least=0, most=2**63 - 1)
    strength: float | None = option(
        None,
        "How far to go from the photo, 0, to the style, 100, whatever paints: it finds the content weight.",
        note="None: as --content-weight has it.",
        least=0,
        most=100,
    )

    optimizer: OptimizerName = option("adam", "Optimiser.")
    parametrization: Parametrization = option(
        "pixels", "What the optimiser moves: pixels, or the bands of the picture's Laplacian pyramid."
    )
    learning_rate: float = option(0.02, "Adam's step, or L-BFGS' first step, in units of the pixel range.", least=0)
    beta2: float = option(0.9, "Decay of Adam's average of squared gradients.", least=0, most=0.99999)
    damping: float = option(
        1.0,
        "How much less Adam at first moves pixels that matter little to the loss (bands not); 0: as far as all others.",
        least=0,
        most=100,
    )
    history: int = option(10, "Steps that L-BFGS remembers.", least=1, most=1000)
    averaging: float = option(0.0, "Decay of the running average of Adam's iterates; 0: none.", least=0, most=0.9999)

    tile: int = option(
        0,
        "Edge in pixels of what is computed at a time, exactly; 0: all at once, or what fits the memory.",
        least=0,
        most=16384,
    )
    memory: str | None = option(None, "Memory of the whole process, such as 2G or 800M; none: what is free.")
    budget: str | None = option(None, "Time to paint in, such as 60s or 5m: steps are cut to fit; none: all steps.")
    canvas_padding: int = option(16, "Pixels painted beyond each edge and cut off at the end.", least=0, most=256)


@dataclass(frozen=True)
class LossOptions(Bundle):
    """What a picture is compared by, as it is painted or by a network in training: a network, its layers, and losses."""

    backbone: BackboneName = option("petit", "Network whose features are compared.")
    weights: str | None = option(None, "File with weights of one's own for the backbone: .safetensors, .pth or .mat.")
    offline: bool = option(False, "Never download anything.")

    content_layers: tuple[str, ...] = option(("relu4_2",), "Layers that hold the content.")
    content_reduction: Reduction = option("relative", "How the squared difference of content features is measured.")
    content_weight: float = option(
        0.1,
        "Weight of the content loss: α.",
        note="This is the default at 512 pixels; smaller pictures have more, larger ones less.",
        least=0,
    )
    style_layers: tuple[str, ...] = option(
        ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"), "Layers that hold the style."
    )
    style_loss: StyleLoss = option("wasserstein", "Which statistics of the style are matched, and how.")
    gram_normalization: GramNormalization = option("positions", "What a Gram matrix is divided by.")
    style_reduction: Reduction = option("relative", "How the squared difference of style statistics is measured.")
    style_weight: float = option(1.0, "Weight of the style loss: β.", least=0)
    tv_weight: float = option(0.05, "Weight of total variation, which smooths.", least=0)
    tv: Variation = option("squared", "Which total variation.")


@dataclass(frozen=True)
class PaintOptions(LossOptions, CourseOptions):
    """How a picture is painted.

    Made by hand, every option has the value below; `options_for` also suits content weight and steps to size and start, as
    `impasto.paint(..., size=256)` does.
    """

    pooling: Pooling = option("auto", "Pooling between blocks; auto: what the backbone was made with.")
    pooling_rescale: bool = option(False, "Scale average and L2 pooling to the size of max pooling's output.")
    padding: Padding = option("auto", "Padding of the convolutions; auto: what the backbone was made with.")

    content_layer_weights: tuple[float, ...] = option((), "A weight for each content layer; none: equal, adding to 1.")
    content_power: float = option(
        2.0,
        "Power of the content loss: above 1 it pulls little while the picture is near, and harder the further it drifts.",
        least=1,
        most=4,
    )
    style_layer_weights: tuple[float, ...] = option((), "A weight for each style layer; none: equal, adding to 1.")
    range_weight: float = option(10.0, "Weight of keeping pixels in range (L-BFGS cannot clamp).", least=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        for layers, given in (
            ("content_layers", self.content_layer_weights),
            ("style_layers", self.style_layer_weights),
        ):
            count = len(getattr(self, layers))
            if not count:
                raise OptionError(f"{flag(layers)} names no layer. Name one, and turn a loss off with a weight of 0.")
            if given and len(given) != count:
                raise OptionError(
                    f"{len(given)} weights were given for {count} {layers.replace('_', ' ')}. Give one for each, or none."
                )
        if 0 < self.tile < SMALLEST_TILE:
            raise OptionError(f"--tile is {self.tile}; it must be 0, for none, or at least {SMALLEST_TILE}.")
        if self.memory is not None:
            bytes_of(self.memory, "--memory")
        if self.budget is not None:
            seconds_of(self.budget, "--budget")
        if self.strength is not None and 0 in (self.content_weight, self.style_weight):
            raise OptionError(
                f"--strength {self.strength:g} goes from a photo to a style, and one of them has no weight. "
                "Leave --strength out."
            )
        if self.content_weight == 0 and self.style_weight == 0:
            raise OptionError("The content weight and the style weight are both 0: nothing to paint. Give one of them.")


@dataclass(frozen=True)
class StylizeOptions(Options):
    """How a feed-forward network paints."""

    strength: float = option(100.0, "How far to go from the photo, 0, to the style, 100.", least=0, most=100)
    passes: int | None = option(
        None,
        "How often the network runs, each time over its own picture: more is bolder. None: presto "
        "up to twice, the more the stronger; a trained network once, and presto in videos once at a time.",
        least=1,
        most=8,
    )
    style_weights: tuple[float, ...] = option(
        (), "Of a trained network with several styles, how much of each; none: the first alone."
    )
    engine: EngineName = option(
        "auto",
        "What runs the network; auto: OpenVINO where it is installed, else torch, which also runs presto where the "
        "processor has AMX; for many pictures, which of all that are installed is the quickest, found out in two seconds.",
    )


@dataclass(frozen=True)
class LearningOptions(Bundle):
    """What learns a style, from what, and for how long."""

    network: NetworkName = option(
        "light",
        "Which network: light, ours, is quick; transform is that of Johnson et al. 2016; presto paints in any style and is "
        "fine-tuned.",
    )
    teacher: TeacherName = option(
        "photo",
        "Whose content is held: photo, that of the photo; paint, that of a painting of it by the optimiser, made once.",
    )
    painted: int = option(24, "With teacher paint: how many photos are painted, in every style.", least=1, most=10_000)
    from_scratch: bool = option(
        False, "Begin with random weights; otherwise light begins with the shipped base, and presto as it ships."
    )
    steps: int = option(1000, "Steps of training.", least=1, most=10_000_000)
    batch: int = option(4, "Crops a step, over all processes.", least=1, most=4096)
    crop: int = option(256, "Edge of a crop in pixels.", least=64, most=2048)
    size: int = option(
        512,
        "Longer side in pixels at which photos and styles are seen: strokes suit results of it.",
        least=64,
        most=4096,
    )
    photo_share: float = option(
        0.1,
        "Share of the crops that have to come back as they were, so that strength can be chosen.",
        least=0,
        most=0.9,
    )
    learning_rate: float = option(1e-3, "Adam's step.", least=0, most=1)
    decay: float = option(
        0.5, "Share of the steps, the last ones, in which the learning rate falls to 0.", least=0, most=1
    )
    seed: int = option(0, "Seed of every random number.", least=0, most=2**63 - 1)

    style_frame: StyleFrame = option(
        "cut", "A frame that a style shows around itself: cut leaves it out, keep does not."
    )
    precision: Precision = option("auto", "Of both networks: auto is bfloat16 where the machine has it and it is safe.")
    device: str = option("auto", "auto, cpu, cuda, cuda:1, mps, ...")


@dataclass(frozen=True)
class TrainOptions(LossOptions, LearningOptions):
    """How a network learns a style. What is declared again is an option of the losses with another default."""

    content_weight: float = option(0.12, "Weight of the content loss.", least=0)
    style_shares: bool = option(True, "Measure every style layer against the photos' own distance from the style.")
    tv_weight: float = option(0.5, "Weight of total variation, which smooths.", least=0)


# What one method of video alone reads
READ_BY: dict[VideoMethod, tuple[str, ...]] = {
    "fast": ("touches", "steadiness", "repaint"),
    "steady": ("temporal_weight", "later_steps", "references"),
}


@dataclass(frozen=True)
class VideoOptions(Bundle):
    """How a video is painted, whatever paints its frames."""

    method: VideoMethod = option(
        "fast",
        "frame: every frame on its own, by the optimiser; steady: by the optimiser from the frame before; fast: by presto "
        "or the trained network that is the style, blended with the frame before.",
    )
    every: int = option(1, "Paint every n-th frame only.", least=1, most=10_000)
    touches: int | None = option(
        None,
        "Method fast by presto: evaluations by the optimiser over what presto painted, for the first frame of a shot "
        "twelve times as many; 0: presto alone. None: eight for small frames, one from 640 x 360 on.",
        least=0,
        most=1000,
    )
    steadiness: float | None = option(
        None,
        "Method fast: share of the frame before, moved along, where the flow holds, when the network paints; 0: none. "
        "None: all of it with --touches, else 0.8.",
        least=0,
        most=1,
    )
    repaint: int | None = option(
        None,
        "Method fast: run the network for every n-th frame; in between what was painted moves along. None: every twelfth "
        "with --touches, else every second.",
        least=1,
        most=100,
    )
    temporal_weight: float = option(
        100.0, "Method steady: weight of staying with what was painted before.", least=0, most=1e6
    )
    later_steps: int = option(
        20,
        "Method steady: evaluations for every frame after the first, half of them for what is new.",
        least=1,
        most=10_000,
    )
    references: tuple[int, ...] = option((1, 8), "Method steady: how many frames back to look for what was painted.")
    loop: int = option(0, "Frames over which the end is led into the beginning, for a loop.", least=0, most=480)
    codec: CodecName = option("auto", "Of the result; auto: h264, in .webm vp9.")
    crf: int | None = option(None, "Quality: 0 is the best and largest; none: what suits the codec.", least=0, most=63)

    def __post_init__(self) -> None:
        super().__post_init__()
        for method, names in READ_BY.items():
            for name in names if method != self.method else ():
                if getattr(self, name) != getattr(VideoOptions, name):
                    raise OptionError(
                        f"{flag(name)} says nothing to --method {self.method}: leave it out, or choose --method {method}."
                    )
        if not self.references or min(self.references) < 1 or max(self.references) > 240:
            raise OptionError("--references are numbers of frames, from 1 to 240. Give one or more, such as 1 8.")
