"""The command line: `impasto VERB ...`. One thin function a verb, in the module of its kind.

Every option comes from the verb's own dataclass. Words go to standard error, data to standard output. Status 0 done, 2 bad
input or option, 1 a fault of ours, 130 stopped by Ctrl-C with what was reached kept. torch is imported when a verb needs
it, not before.
"""

from impasto.cli import asking, choosing, comparing, filming, measuring, painting, repeating, serving, training
from impasto.cli.program import main, run

__all__ = [
    "asking",
    "choosing",
    "comparing",
    "filming",
    "main",
    "measuring",
    "painting",
    "repeating",
    "run",
    "serving",
    "training",
]
