"""Every exception of the project, in one tree.

UnfadeError                      anything a user can put right; the CLI prints it in one sentence and exits with 2
├── InputError                   the movie or label image cannot be used as it is
│   ├── MissingInputError        there is no such file or folder, or nothing in it
│   ├── UnreadableFileError      the file is damaged, truncated or not what its name says
│   ├── AmbiguousAxesError       the axes cannot be told from the file; ``--axes`` decides
│   ├── AxisError                an axis that this command cannot take (z stacks), or one that is missing
│   ├── ChannelError             no channel of that name or index
│   └── ShapeError               frames, labels or tables that do not fit together
├── SettingsError                an unknown key, a value out of range, two settings that exclude each other
├── WeightsError                 weights that are missing, damaged or of another system
├── OutputError                  the output place is taken, read-only or full
├── TruthError                   reference data that break the rules of their format
├── MissingExtraError            an optional dependency is not installed
└── DeviceError                  the device asked for is not there
"""

from __future__ import annotations


class UnfadeError(Exception):
    """Base of everything a user can put right; its text is one sentence that says what to do."""


class InputError(UnfadeError):
    """The movie or label image cannot be used as it is."""


class MissingInputError(InputError):
    """There is no such file or folder, or nothing readable in it."""


class UnreadableFileError(InputError):
    """The file is damaged, truncated or not what its name says."""


class AmbiguousAxesError(InputError):
    """The axes cannot be told from the file."""


class AxisError(InputError):
    """An axis that cannot be taken as it is (z), or one that is missing."""


class ChannelError(InputError):
    """No channel of that name or index."""


class ShapeError(InputError):
    """Frames, labels or tables whose shapes do not fit together."""


class SettingsError(UnfadeError):
    """An unknown key, a value out of range, or settings that exclude each other."""


class WeightsError(UnfadeError):
    """Weights that are missing, damaged or made for another system."""


class OutputError(UnfadeError):
    """The output place is taken by something else, read-only or full."""


class TruthError(UnfadeError):
    """Reference data that break the rules of their format."""


class MissingExtraError(UnfadeError):
    """An optional dependency is not installed; the text names the extra to install."""


class DeviceError(UnfadeError):
    """The device asked for is not available on this machine."""
