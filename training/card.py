"""The card of petit: what it is, what it learnt from, how well, and what it is not good for. Written after training."""

from collections.abc import Mapping

# what two earlier trials of the same kind of network reached: R2 and Gram correlation, for comparison
TRIALS = {
    "relu1_1": (0.93, 0.99, 0.92, 0.99),
    "relu2_1": (0.74, 0.99, 0.75, 0.99),
    "relu3_1": (0.57, 0.97, 0.61, 0.98),
    "relu4_1": (0.69, 0.98, 0.77, 0.99),
    "relu4_2": (0.64, 0.95, 0.73, 0.97),
    "relu5_1": (0.45, 0.69, 0.60, 0.93),
}

CARD = """# petit

petit is the feature network that ships with impasto: a small VGG-like chain that sees pictures much as VGG-19 does, so that
style transfer works the minute it is installed, without a download.

| | |
| --- | --- |
| architecture | 3x3 convolutions with ReLU in five blocks of {depths} layers, {widths} channels, average pooling, reflection padding |
| parameters | {parameters:,} |
| file | {bytes:,} bytes, half precision, safetensors |
| input | RGB in [0, 1], normalised with ImageNet's mean and deviation |
| layers | `convB_I`, `reluB_I`, `poolB`, named as VGG-19's |
| activations | scaled so that the mean of every ReLU layer on photographs is 1 |
| licence | MIT |

## Lineage and data

petit was distilled from two networks: the original VGG-19 (Simonyan and Zisserman 2015, trained on ImageNet, CC BY 4.0) at
relu1_1 to relu3_1, and a VGG-19 of a sixteenth of the parameters from Collaborative Distillation (Wang et al., CVPR 2020,
MIT, itself distilled on ImageNet and COCO) at relu4_1, relu4_2 and relu5_1. It saw no labels, only {photos:,} photographs and
{paintings:,} public-domain paintings and prints, in random crops of {size} pixels at 0.6 to 1.8 times their size, flipped,
with changed brightness and colour balance, blended and recoloured into half-painted pictures, and with noise.
Neither the pictures nor the teachers are part of impasto.

## Training

{steps:,} steps of {batch} crops with AdamW, learning rate {rate:g} falling linearly over the last 40 %, seed {seed}:

    python training/petit.py --data DATA --out runs/petit --steps {steps} --export impasto/assets/petit.safetensors

`DATA` holds `photos/`, `paintings/` and `teacher/`; a run that is stopped continues where its checkpoint is. Each taught
layer adds three terms: the squared error of a 1x1 head on petit's features against the teacher's, over the teacher's
variance; half the relative Frobenius error of their Gram matrices; and half the distance between the two kernel matrices
of the same positions (linear CKA), which gives petit's own features, without any head, the teacher's geometry. Batch
normalisation is folded into the convolutions at the end, and the heads are dropped.

## How well it knows its teachers

On {held} pictures that it was not trained on, with the heads that it learnt with:

| layer | R² | Gram correlation | linear CKA without head | first trial: R², Gram | second trial: R², Gram |
| --- | --- | --- | --- | --- | --- |
{figures}

The trials are earlier networks of the same size and kind that were trained for 2,500 and 5,800 shorter steps.

## What it is and is not good for

Good for statistics of style and for content at relu4_2: painting, textures, comparisons of pictures' manner.
Not good for recognising things: it has no classes, and its deepest layer sees less of the meaning of a scene than VGG-19's.
Large flat areas and faces are where VGG-19 (`--backbone vgg19`) still does better.
"""


def card(facts: Mapping[str, object], figures: Mapping[str, Mapping[str, float]]) -> str:
    """The card as Markdown. `figures`: layer -> {"r2", "gram", "cka"} on held-out pictures."""
    rows = []
    for layer, found in figures.items():
        first, second = ("", "")
        if layer in TRIALS:
            numbers = TRIALS[layer]
            first, second = f"{numbers[0]}, {numbers[1]}", f"{numbers[2]}, {numbers[3]}"
        measured = " | ".join(f"{found[key]:.3f}" for key in ("r2", "gram", "cka"))
        rows.append(f"| {layer} | {measured} | {first} | {second} |")
    return CARD.format(figures="\n".join(rows), **facts)
