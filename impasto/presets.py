"""Named option bundles. Each opens with what it reproduces; any option given beside a preset overrides it.

A preset fixes whatever the document it follows fixes and leaves the rest at impasto's defaults. Weights mean what they
mean there only together with the normalisations that stand beside them: see "Why a published α/β cannot be copied".
Max pooling is VGG's own and therefore not set, so that petit beside such a preset keeps the average it was made with.
All resize the style by keeping its aspect; systems B and E squashed it to the content's shape.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from impasto.errors import OptionError
from impasto.options import STARTS, PaintOptions, TrainOptions

IMAGENET_DEVIATION = 0.226  # of RGB in [0, 1], mean over the channels: converts steps of normalised pixels
ONE_SCALE = {"min_scale": 16384, "first_steps": 0}  # documents A to E paint at the final size from the start
PLAIN = {
    **ONE_SCALE,
    "start": "content",
    "optimizer": "lbfgs",
    "damping": 0.0,
    "style_frame": "keep",
    "tv_weight": 0.0,
    "range_weight": 0.0,
    "canvas_padding": 0,
}
CONVS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
RELUS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
IN_ORDER = ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1")  # conv_1 ... conv_5, counted by depth


@dataclass(frozen=True)
class Preset:
    """What a preset reproduces, in a sentence or two, and the options it sets."""

    reproduces: str
    options: Mapping[str, Any]


# The convolutions' names, the normalisations and the weights of torch's own tutorial, on which systems C and D stand
TUTORIAL = {
    **PLAIN,
    "backbone": "vgg19",
    "content_layers": ("conv2_2",),
    "content_reduction": "mean",
    "content_power": 1.0,
    "style_layers": IN_ORDER,
    "style_layer_weights": (1.0,) * 5,
    "style_loss": "gram",
    "gram_normalization": "elements",
    "style_reduction": "mean",
    "style_weight": 1e6,
    "steps": 300,
    "precision": "float32",
}

# Gatys et al. in both papers: equations 1 and 3 to 5 of 2015
GATYS = {
    **PLAIN,
    "pooling": "average",
    "start": "noise",
    "content_layers": ("conv4_2",),
    "content_reduction": "half",
    "content_power": 1.0,
    "style_layers": CONVS,
    "style_loss": "gram",
    "gram_normalization": "elements",
    "style_reduction": "quarter",
    "style_weight": 1.0,
    "steps": 500,
}

PRESETS: dict[str, Preset] = {
    "default": Preset(
        "impasto's own recipe: presto's picture, painted on with petit, Wasserstein-2, coarse to fine, Adam.", {}
    ),
    "gatys2015": Preset(
        "System A, after Gatys et al., 'A Neural Algorithm of Artistic Style' (2015): torchvision's VGG-19 with average "
        "pooling, noise start, content conv4_2, raw V Vᵀ of five style layers of a fifth each, L-BFGS. With V Vᵀ undivided "
        "the ratio it needs is the 10⁴ that the document prints, not the paper's 10⁻⁴.",
        {
            **GATYS,
            "backbone": "vgg19",
            "content_reduction": "sum",
            "content_weight": 1e4,
            "gram_normalization": "none",
            "style_reduction": "sum",
        },
    ),
    "gatys2016": Preset(
        "Gatys et al., 'Image Style Transfer Using Convolutional Neural Networks' (2016): the original Caffe weights, "
        "average pooling, noise start, conv4_2 and conv1_1 to conv5_1, α/β = 10⁻³, L-BFGS, 512 pixels.",
        {**GATYS, "backbone": "vgg19-caffe", "content_weight": 1e-3, "size": 512},
    ),
    "ryanchankh": Preset(
        "System B: L-BFGS, content relu4_2, style relu1_1 to relu5_1 at 0.2 each, α = 10⁻⁶, β = 1, noise start. Its "
        "program divides features by their mean activation, which is why its ratio is not the paper's.",
        {
            **PLAIN,
            "backbone": "vgg19-caffe",
            "start": "noise",
            "content_layers": ("relu4_2",),
            "content_reduction": "half",
            "content_power": 1.0,
            "content_weight": 1e-6,
            "style_layers": RELUS,
            "style_layer_weights": (0.2,) * 5,
            "style_loss": "gram",
            "gram_normalization": "elements",
            "style_reduction": "quarter",
            "style_weight": 1.0,
            "steps": 500,
            "precision": "float32",
        },
    ),
    "assignment4": Preset(
        "System C, part 3: content at the 4th convolution and style at the 1st to 5th, counted in order of depth, style "
        "weight 10⁶, content weight 10 (its author's choice among 1 to 10⁵), from the content picture, L-BFGS.",
        {**TUTORIAL, "content_weight": 10.0},
    ),
    "fast-basic": Preset(
        "System D's basic method: content conv_4, style conv_1 to conv_5 counted in order, content weight 1, style "
        "weight 10⁶, L-BFGS, 300 evaluations.",
        {**TUTORIAL, "content_weight": 1.0},
    ),
    "blog": Preset(
        "System E: 400 pixels, content conv4_2, style layers weighted 1.0, 0.7, 0.5, 0.3, 0.2, squared Gram differences "
        "divided by C·H·W, content 1, style 10⁶, Adam 0.003 in normalised pixels, 3000 steps from the content.",
        {
            **PLAIN,
            "backbone": "vgg19",
            "size": 400,
            "content_layers": ("conv4_2",),
            "content_reduction": "mean",
            "content_power": 1.0,
            "content_weight": 1.0,
            "style_layers": CONVS,
            "style_layer_weights": (1.0, 0.7, 0.5, 0.3, 0.2),
            "style_loss": "gram",
            "gram_normalization": "root",
            "style_reduction": "mean",
            "style_weight": 1e6,
            "optimizer": "adam",
            "learning_rate": 0.003 * IMAGENET_DEVIATION,
            "beta2": 0.999,
            "steps": 3000,
            "precision": "float32",
        },
    ),
    "crowson": Preset(
        "style-transfer-pytorch by Katherine Crowson (2023): Wasserstein-2 at relu1_1 to relu5_1 weighted 256:64:16:4:1, "
        "relu4_2 at 0.015, nine-point total variation, scales by √2 from 128, Adam with averaged iterates.",
        {
            "style_frame": "keep",
            "backbone": "vgg19",
            "padding": "replicate-first",
            "content_layers": ("relu4_2",),
            "content_reduction": "mean",
            "content_power": 1.0,
            "content_weight": 0.015,
            "style_layers": RELUS,
            "style_layer_weights": tuple(weight / 341 for weight in (256.0, 64.0, 16.0, 4.0, 1.0)),
            "style_loss": "wasserstein",
            "style_reduction": "mean",
            "style_weight": 1.0,
            "tv": "nine-point",
            "tv_weight": 2.0,
            "range_weight": 0.0,
            "min_scale": 128,
            "scale_factor": 2**0.5,
            "first_steps": 1000,
            "steps": 500,
            "optimizer": "adam",
            "learning_rate": 0.02,
            "damping": 0.0,
            "beta2": 0.99,
            "averaging": 0.99,
            "start": "content",
            "canvas_padding": 0,
            "precision": "float32",
        },
    ),
}


SMALL, LARGE = 256, 1024  # pixels on the longer side, between which the default content weight goes with the size
NEAR = ("presto", "content")  # starts that show the photo's shapes already

# What the verbs for one picture alone start from; a preset of a document is laid over it when one is asked for
# No margin for a texture: what is cut off would take its share of the statistics along.
TEXTURE: dict[str, Any] = {
    "content_weight": 0.0,
    "start": "style-noise",
    "optimizer": "lbfgs",
    "min_scale": 180,
    "first_steps": 100,
    "canvas_padding": 0,
}
RECONSTRUCT: dict[str, Any] = {
    **ONE_SCALE,
    "optimizer": "lbfgs",
    "style_frame": "keep",
    "style_weight": 0.0,
    "content_weight": 1.0,
    "content_power": 1.0,
    "start": "noise",
    "tv_weight": 0.0,
    "steps": 200,
}
# Options that say nothing there: a texture has neither content nor photo, a reconstruction no photo beside its style
NO_PHOTO = ("strength", "colors", "color_strength", "mask_softness")
NO_CONTENT = (
    "content_layers",
    "content_layer_weights",
    "content_reduction",
    "content_power",
    "content_weight",
    *NO_PHOTO,
)

# What the sheets start from, over any preset. The dial is to be there within a minute; a figure compares, and does so in
# small and with the network that is there
DIAL_SHEET: dict[str, Any] = {"size": 160, "min_scale": 160, "first_steps": 60}
FIGURE_SHEET: dict[str, Any] = {"size": 256, "backbone": "petit", "precision": "auto"}


def over(base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What a verb starts from, with those `given` in its place: so many steps are so many at the first scale, too."""
    if "steps" in given and "first_steps" not in given:
        base = {name: value for name, value in base.items() if name != "first_steps"}
    return {**base, **given}


def options_for(preset: str = "default", **given: Any) -> PaintOptions:
    """The preset's options with those `given` in their place. Raises OptionError for an unknown name or a bad value."""
    if preset not in PRESETS:
        raise OptionError(f"There is no preset {preset!r}. Choose among {', '.join(PRESETS)}.")
    if given.get("strength") is not None and given.get("content_weight") is not None:
        raise OptionError("--strength finds the content weight, and --content-weight fixes it. Give one of them.")
    chosen = PaintOptions.make(**{**PRESETS[preset].options, **given})
    if preset != "default":
        return chosen
    return chosen.replace(**{name: value for name, value in suited(chosen).items() if name not in given})


def suited(options: PaintOptions) -> dict[str, Any]:
    """What the default recipe takes for a size and a start where nothing else is given.

    The smaller a picture, the more of the scene a layer sees at once, and lets it dissolve: the content weighs as many
    times as much as the pixels are fewer. Adam's steps are short, and from noise or a plain canvas it is far.
    """
    weight = 0.03 * (LARGE / min(max(options.size, SMALL), LARGE)) ** 2
    far = options.optimizer == "adam" and options.start in STARTS and options.start not in NEAR
    return {"content_weight": float(f"{weight:.1g}"), "steps": 160 if far else options.steps}


# What `impasto train` can reproduce. System D gives no loss weights; its style loss is a sum, its content loss a mean.
TRAINING: dict[str, Preset] = {
    "default": Preset("impasto's own recipe: a style of one's own in minutes, from the shipped base.", {}),
    "presto": Preset(
        "presto, the network for any style, fine-tuned on one: as bold in one pass as otherwise in three.",
        {"network": "presto", "steps": 300, "learning_rate": 3e-4, "content_weight": 0.06},
    ),
    "fast": Preset(
        "System D: its transform network from scratch, VGG-19 tapped at relu1_2 to relu5_4, Gram differences squared and "
        "summed, content relu4_2 divided by its size, total variation. The loss weights are ours: the slides give none.",
        {
            "network": "transform",
            "from_scratch": True,
            "style_frame": "keep",
            "steps": 10_000,  # twice its 20,000 photographs
            "photo_share": 0.0,
            "decay": 0.0,
            "backbone": "vgg19",
            "content_layers": ("relu4_2",),
            "content_reduction": "mean",
            "content_weight": 1.0,
            "style_layers": ("relu1_2", "relu2_2", "relu3_4", "relu4_4", "relu5_4"),
            "style_loss": "gram",
            "gram_normalization": "elements",
            "style_reduction": "sum",
            "style_weight": 10.0,
            "style_shares": False,
            "tv_weight": 1e-6,
            "tv": "absolute",
        },
    ),
}


def training_options(preset: str = "default", **given: Any) -> TrainOptions:
    """The options of training that a preset stands for, overridden by those given. Raises OptionError."""
    if preset not in TRAINING:
        raise OptionError(f"There is no preset {preset!r} of training. Choose among {', '.join(TRAINING)}.")
    return TrainOptions.make(**{**TRAINING[preset].options, **given})
