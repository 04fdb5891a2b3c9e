"""Every error that impasto raises on purpose. Each message is one sentence or two that end in a remedy.

    ImpastoError
    ├── InputError        a picture that cannot be read or used
    ├── OptionError       an option that is unknown, out of range or does not fit another
    ├── WeightsError      network weights that are missing, damaged or of another network
    ├── OutputError       a result that cannot be written where it should go
    └── DivergenceError   an optimisation whose loss is no longer a number

The command line prints the message and ends with status 2; anything else that is raised is a fault of impasto.
"""


class ImpastoError(Exception):
    """Base of all: `except impasto.ImpastoError` catches whatever impasto says no to."""


class InputError(ImpastoError):
    """A picture is missing, damaged, too small, too large or no picture at all."""


class OptionError(ImpastoError):
    """An option has an unknown name or a value that is not allowed."""


class WeightsError(ImpastoError):
    """Weights are missing, cannot be downloaded, fail their checksum or belong to another network."""


class OutputError(ImpastoError):
    """A result cannot be written: its folder is missing, full or protected, or its format is unknown."""


class DivergenceError(ImpastoError):
    """The loss became infinite or not a number; the picture reached before that is kept by the caller."""
