"""The one place where failures become VapourSynth's own error."""

import functools
from collections.abc import Callable

import vapoursynth as vs

from imf_plugin.errors import ImfError


def fault(sentence: str) -> vs.Error:
    """Return the error to raise for a wrong argument or clip."""
    return vs.Error(f"imf: {sentence}")


def reports_as_vs_error[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Let a public function raise nothing but ``vs.Error("imf: ...")``, at call time."""

    @functools.wraps(function)
    def translated(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except ImfError as error:
            raise fault(str(error)) from error
        except TypeError as error:
            # Python's own words for a misspelt or missing argument.
            if f"{function.__name__}()" in str(error) or "Options" in str(error):
                raise fault(_argument_sentence(str(error))) from None
            raise

    return translated


def _argument_sentence(message: str) -> str:
    return message.replace("Options.__init__()", "the options").replace("()", "", 1)


def at_source_frames(numbers: list[int], error: Exception) -> vs.Error:
    """Return the error for a failure while an output frame is made."""
    frames = " and ".join(str(number) for number in sorted(set(numbers)))
    return fault(f"making a frame from source frame {frames} failed: {error}")
