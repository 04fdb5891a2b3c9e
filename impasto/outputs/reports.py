"""Report cards of a picture or of a folder."""

import json
from collections.abc import Sequence
from pathlib import Path

from impasto import backbones, cards, evaluation, sets
from impasto.options import BackboneName
from impasto.outputs.places import check_source, check_text, write_text


def evaluate_picture(
    picture: Path,
    content: Path,
    styles: Sequence[tuple[Path, float]],
    backbone: BackboneName,
    card: Path | None,
    json_file: Path | None,
) -> int:
    """Print the report card of one picture, or as JSON, and draw it where asked to; returns the status."""
    sources = [picture, content, *(path for path, _ in styles)]
    for path in sources:
        check_source(path)
    if card is not None:
        cards.check_output(card)
        check_text("-o", card, sources)
    if json_file is not None and str(json_file) != "-":
        check_text("--json", json_file, [*sources, *([card] if card else [])])
    report = evaluation.evaluate(picture, content, list(styles), backbone=backbone)
    if card is not None:
        cards.save(report, card, picture.name)
    if json_file is not None:
        write_text(json_file, json.dumps(report.as_dict(), indent=1))
    if str(json_file) != "-":
        print(cards.text(report))
    return 0


def evaluate_folder(
    pictures: Sequence[Path],
    contents: Sequence[Path],
    styles: Sequence[Path],
    backbone: BackboneName,
    json_file: Path | None,
) -> int:
    """Print the scores of many pictures together; returns the status."""
    if json_file is not None and str(json_file) != "-":
        check_text("--json", json_file, [*pictures, *contents, *styles])
    scores = sets.judge_set(sets.match(pictures, contents, styles), backbones.load(backbone))
    if json_file is not None:
        write_text(json_file, json.dumps(scores.as_dict(), indent=1))
    if str(json_file) != "-":
        print(scores)
    return 0
