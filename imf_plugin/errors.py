"""The failures of the world that imf_plugin reports, as one small tree.

Outline::

    ImfError
    |- MediaError          a file cannot be read or written as asked
    |  |- UnreadableMedia  the input is missing, damaged or of no known kind
    |  |- OutputRefused    the output cannot or must not be written
    |  `- EncoderFailed    ffmpeg is missing or died
    |- PlanError           a plan, curve or rate makes no sense
    |- ModelError          no such model, or its weights are unusable
    |- DeviceError         the wanted device is absent or too small
    `- Cancelled           the user stopped the work

Every message is one sentence that names the thing and says what to do. Programming errors (a wrong
shape, a wrong type) are `ValueError` and `TypeError` instead. The edges (command line, hosts,
editor) translate an `ImfError` once; nothing in between catches it.
"""


class ImfError(Exception):
    """Base of every failure that a user can do something about."""


class MediaError(ImfError):
    """A media file cannot be read or written as asked."""


class UnreadableMedia(MediaError):
    """The input is missing, damaged, empty or of no known kind."""


class OutputRefused(MediaError):
    """The output cannot be written, or must not be without the user's word."""


class EncoderFailed(MediaError):
    """The ffmpeg binary is missing, refused its job or died."""


class PlanError(ImfError):
    """A render plan, curve, factor or rate is malformed or impossible."""


class ModelError(ImfError):
    """There is no such model, or its weights cannot be used."""


class DeviceError(ImfError):
    """The wanted device is absent or has too little memory."""


class Cancelled(ImfError):
    """The user stopped the work; what was finished is kept for resuming."""
