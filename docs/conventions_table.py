"""Print the table of docs/conventions.md: one ratio α/β, written in every program's convention.

python docs/conventions_table.py
"""

from impasto.backbones import BACKBONES
from impasto.conventions import Convention
from impasto.presets import PRESETS, options_for

SIZE = 384, 512  # height and width; a layer of block b has H·W / 4^(b - 1) positions
CONTENT, STYLES = "conv4_2", ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
PAPER, RATIO = "gatys2016", 1e-3


def shape(layer: str) -> tuple[int, int]:
    """(channels, positions) of a VGG-19 layer."""
    block = int(layer[4])
    return BACKBONES["vgg19"].channels[block - 1][0], SIZE[0] * SIZE[1] // 4 ** (block - 1)


def equivalent(convention: Convention, style_layer: str) -> float:
    """The α/β that weighs content against this style layer as `RATIO` does in the paper."""
    paper = Convention.of(options_for(PAPER))

    def share(one: Convention) -> float:
        return one.content_factor(*shape(CONTENT)) / one.style_factor(*shape(style_layer))

    return RATIO * share(paper) / share(convention)


def table() -> str:
    """Markdown: a row a preset, a column a style layer."""
    rows = [
        "| preset | content | Gram over | style | " + " | ".join(STYLES) + " |",
        "| --- " * (4 + len(STYLES)) + "|",
    ]
    for name in PRESETS:
        options = options_for(name)
        if options.style_loss != "gram":
            continue
        convention = Convention.of(options)
        numbers = " | ".join(f"{equivalent(convention, layer):.1e}" for layer in STYLES)
        names = f"{options.content_reduction} | {options.gram_normalization} | {options.style_reduction}"
        rows.append(f"| `{name}` | {names} | {numbers} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())
