"""Checkpoints: all that a training consists of between two steps, in one safetensors file. Nothing is pickled.

Random numbers need no place in it: every step draws from the seed and its own number.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import safetensors.torch
import torch

from impasto import saving, transform
from impasto.errors import OptionError, WeightsError
from impasto.networks import Tuned
from impasto.opening import FilePath
from impasto.transform import TransformNet

FORMAT = "impasto training, 1"
REMEMBERED = ("step", "exp_avg", "exp_avg_sq")  # by Adam, of every parameter
FREE = ("steps", "decay", "device", "offline")  # options that may be other ones when a training goes on


@dataclass
class State:
    """What a training consists of between two steps: all that a checkpoint holds."""

    network: TransformNet | Tuned
    optimizer: torch.optim.Adam
    facts: dict[str, Any]  # what the training must go on with
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def step(self) -> int:
        """How many steps were made."""
        return len(self.history)

    def save(self, path: FilePath) -> None:
        """Write a checkpoint, whole or not at all. Raises OutputError; an earlier one is then intact."""
        tensors = {f"network.{name}": parameter.detach() for name, parameter in self.network.named_parameters()}
        for name, parameter in self.network.named_parameters():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer.{name}.{key}"] = value
        columns = list(self.history[0]) if self.history else []
        rows = [[row[name] for name in columns] for row in self.history]
        tensors["history"] = torch.tensor(rows, dtype=torch.float64)
        tensors = {key: value.cpu().contiguous() for key, value in tensors.items()}
        notes = {"format": FORMAT, "facts": json.dumps(self.facts), "columns": json.dumps(columns)}
        saving.write(safetensors.torch.save(tensors, notes), path)

    def load(self, path: FilePath) -> None:
        """Take up a checkpoint. Raises WeightsError where it is damaged, OptionError where it is of another training."""
        notes, tensors = transform.read_file(path)
        remedy = "Delete it to begin anew, or choose another -o"
        try:
            if notes["format"] != FORMAT:
                raise ValueError
            check_facts(json.loads(notes["facts"]), self.facts, f"{path} is a checkpoint", remedy)
            columns = json.loads(notes["columns"])
            self.history = [dict(zip(columns, row, strict=True)) for row in tensors["history"].tolist()]
            with torch.no_grad():
                for name, parameter in self.network.named_parameters():
                    parameter.copy_(tensors[f"network.{name}"])
                    self.optimizer.state[parameter] = {
                        key: tensors[f"optimizer.{name}.{key}"].to("cpu" if key == "step" else parameter.device)
                        for key in REMEMBERED
                    }
        except (KeyError, TypeError, ValueError, RuntimeError, RecursionError) as error:
            raise WeightsError(f"{path} is no checkpoint of a training, or damaged. {remedy}.") from error


def check_facts(found: Mapping[str, Any], wanted: Mapping[str, Any], what: str, remedy: str) -> None:
    """Raise OptionError, naming the first difference, where a checkpoint is of another training."""
    for key, value in wanted.items():
        if found.get(key) != value:
            raise OptionError(
                f"{what} of another training: {key} was {shown(found.get(key))} and is {shown(value)} now. {remedy}."
            )


def shown(value: Any) -> str:
    """A value in a message, the hashes of pictures cut short."""
    return " ".join(str(one)[:12] for one in value) if isinstance(value, list) else str(value)
