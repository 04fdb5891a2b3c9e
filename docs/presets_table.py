"""Print the table of docs/papers.md: the presets' settings.

python docs/presets_table.py
"""

from impasto.backbones import BACKBONES
from impasto.options import PaintOptions
from impasto.presets import PRESETS, options_for

OPTIMIZERS = {"lbfgs": "L-BFGS", "adam": "Adam"}
DOCUMENTS = {"gatys2015": "A", "ryanchankh": "B", "assignment4": "C", "fast-basic": "D", "blog": "E"}


def table() -> str:
    """A row for each preset."""
    lines = ["| preset | network | content; style | style loss | α : β | from, by |", "| --- " * 6 + "|"]
    for name in PRESETS:
        chosen = options_for(name)
        document = f" ({DOCUMENTS[name]})" if name in DOCUMENTS else ""
        pooling = BACKBONES[chosen.backbone].pooling if chosen.pooling == "auto" else chosen.pooling
        cells = (
            f"`{name}`{document}",
            f"{chosen.backbone}, {pooling}",
            f"{' '.join(chosen.content_layers)}; {chosen.style_layers[0]} to {chosen.style_layers[-1]}",
            loss(chosen),
            f"{chosen.content_weight:g} : {chosen.style_weight:g}",
            f"{chosen.start}, {OPTIMIZERS[chosen.optimizer]}, {steps(chosen)}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def loss(options: PaintOptions) -> str:
    """The style loss and how its difference is reduced."""
    over = f" over {options.gram_normalization}" if options.style_loss == "gram" else ""
    return f"{options.style_loss}{over}, {options.style_reduction}"


def steps(options: PaintOptions) -> str:
    """Evaluations at the first scale and at each that follows, if one does."""
    first = options.first_steps or options.steps
    if options.min_scale >= options.size:
        return str(first)
    return f"{options.steps} a scale" if first == options.steps else f"{first} + {options.steps} a scale"


if __name__ == "__main__":
    print(table())
