"""The card of petit: what it is, what it learnt from, how well, and what it is not good for. Written after training."""

from collections.abc import Mapping

CARD = """# petit

petit is the feature network that ships with impasto: a small VGG-like chain that sees pictures much as VGG-19 does, so that
style transfer works the minute it is installed, without a download.

| | |
| --- | --- |
| architecture | 3x3 convolutions with ReLU, reflection padding, average pooling between blocks |
| channels | {channels}: a convolution each, block by block |
| parameters | {parameters:,} |
| file | {bytes:,} bytes, half precision, safetensors |
| input | RGB in [0, 1], normalised with ImageNet's mean and deviation |
| layers | `convB_I`, `reluB_I`, `poolB`, named as VGG-19's |
| activations | scaled so that the mean of every ReLU layer on photographs is 1 |
| licence | MIT |

## Lineage and data

petit was distilled from two networks: the original VGG-19 (Simonyan and Zisserman 2015, trained on ImageNet, CC BY 4.0) at
relu1_1 to relu3_1, and a VGG-19 of a sixteenth of the parameters from Collaborative Distillation (Wang et al., CVPR 2020,
MIT, itself distilled on ImageNet and COCO) at relu4_1, relu4_2 and relu5_1. It saw no labels, only {photos:,} photographs
and {paintings:,} public-domain paintings and prints, in random crops of {size} pixels at 0.6 to 1.8 times their size,
flipped, with changed brightness and colour balance, blended and recoloured into half-painted pictures, and with noise; one
crop in ten is of a picture that petit's first edition had painted a few steps far (`training/painted.py`).
Neither the pictures nor the teachers are part of impasto.

## Training

In three parts, of {batch} crops a step with AdamW, seed {seed}: 11,000 steps, the learning rate 0.003 until step 2,000 and
falling linearly from there; 9,000 with the statistics of batch normalisation as they were by then (a batch's own make
another network of petit than the one that ships), 0.0015 until step 13,000 and falling linearly; and {steps:,} from the
file that this gave, {rate:g} until step {hold:,} and falling linearly, in which some layers count more than others:

    python training/petit.py --data DATA --out runs/second --steps 11000
    python training/petit.py --data DATA --out runs/second --steps 20000 --hold 13000 --rate 0.0015 \\
        --settle 11000 --export runs/second.safetensors
    python training/petit.py --data DATA --out runs/petit --begin runs/second.safetensors \\
        --steps {steps} --hold {hold} --rate {rate:g} --stress {stress} \\
        --export impasto/assets/petit.safetensors

`DATA` holds `photos/`, `paintings/` and `teacher/`; a run that is stopped continues where its checkpoint is. Each taught
layer adds three terms: the squared error of a 1x1 head on petit's features against the teacher's, over the teacher's
variance; {gram:g} times the relative Frobenius error of their Gram matrices; and half the distance between the two kernel
matrices of the same positions (linear CKA), which gives petit's own features, without any head, the teacher's geometry.
Batch normalisation is folded into the convolutions at the end, and the heads are dropped.

## How well it knows its teachers

On {held} pictures that it was not trained on, through 1x1 heads that were fitted by least squares to training pictures:

| layer | R² | Gram correlation, a picture | of all together | linear CKA without head |
| --- | --- | --- | --- | --- |
{figures}

The Gram matrix of a single picture, of which the median is given, is told less well than that of all pictures together,
where errors cancel out. The shipped file is measured again by

    python training/petit.py --data DATA --out runs/measured --begin impasto/assets/petit.safetensors \\
        --steps 0 --card card.md

![R² on held-out pictures over the first two parts of the training](images/petit-training.png)

What it paints beside its teacher and beside random filters is [part of the recipe](recipe.md#through-which-network).

## What it is and is not good for

Good for statistics of style and for content at relu4_2: painting, textures, comparisons of pictures' manner.
Not good for recognising things: it has no classes, and as the table says, it follows its teachers less closely the deeper
the layer. Where the meaning of a scene matters more than its surface, try `--backbone vgg19`.
"""


def card(facts: Mapping[str, object], figures: Mapping[str, Mapping[str, float]]) -> str:
    """The card as Markdown. `figures`: layer -> {"r2", "gram", "gram_all", "cka"} on held-out pictures."""
    rows = [
        f"| {layer} | " + " | ".join(f"{found[key]:.3f}" for key in ("r2", "gram", "gram_all", "cka")) + " |"
        for layer, found in figures.items()
    ]
    return CARD.format(figures="\n".join(rows), **facts)
