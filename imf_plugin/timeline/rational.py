"""Reading exact numbers: factors, frame rates and times as fractions."""

from fractions import Fraction

from imf_plugin.errors import PlanError

MAXIMUM_FACTOR = 1000
MAXIMUM_RATE = 1000

type RationalLike = int | float | str | Fraction


def to_fraction(value: RationalLike, what: str) -> Fraction:
    """Read a number exactly.

    Text may be ``4``, ``2.5``, ``60000/1001`` or ``1e3``. A float is taken by its shortest decimal
    form, so that 0.1 means one tenth.

    Args:
        value: The number as given.
        what: How to call it in an error, such as ``the factor``.

    Raises:
        PlanError: If it is not a finite number.
    """
    text = repr(value) if isinstance(value, float) else str(value)
    numerator, slash, denominator = text.strip().partition("/")
    try:
        # The length limit keeps 1e999999999 from being expanded into a billion digits.
        parts = [_short_decimal(numerator)] + ([_short_decimal(denominator)] if slash else [])
        return parts[0] / parts[1] if slash else parts[0]
    except (ValueError, ZeroDivisionError):
        raise PlanError(
            f"{what} must be a number such as 4, 2.5 or 60000/1001, not {text!r}"
        ) from None


def _short_decimal(text: str) -> Fraction:
    mantissa, _, exponent = text.strip().lower().partition("e")
    if len(mantissa) > 40 or (exponent and abs(int(exponent)) > 12):
        raise ValueError(text)
    return Fraction(text.strip())


def parse_factor(value: RationalLike) -> Fraction:
    """Read a slow-motion factor: how many times longer the result lasts.

    Raises:
        PlanError: If it is not a number above 1 and at most 1000.
    """
    factor = to_fraction(value, "the slow-motion factor")
    if factor <= 1:
        way_out = (
            "a factor of 1 changes nothing; give 2 or more"
            if factor == 1
            else "it must be above 1 (to speed a clip up use 'imf retime')"
        )
        raise PlanError(f"the slow-motion factor {value} cannot be used: {way_out}")
    if factor > MAXIMUM_FACTOR:
        raise PlanError(
            f"the slow-motion factor {value} is too large: it must be at most {MAXIMUM_FACTOR}"
        )
    return factor


def parse_rate(value: RationalLike) -> Fraction:
    """Read a frame rate in frames per second.

    Raises:
        PlanError: If it is not a number above 0 and at most 1000.
    """
    rate = to_fraction(value, "the frame rate")
    if not 0 < rate <= MAXIMUM_RATE:
        raise PlanError(
            f"the frame rate {value} cannot be used: "
            f"it must be above 0 and at most {MAXIMUM_RATE} frames per second"
        )
    return rate
