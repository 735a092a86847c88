"""What limits are to achieve: the least cost, a wanted rate, or a promise about future parts."""

from decimal import Decimal
from functools import partial
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from partgate.configfile import Settings


def ask_for_a_fraction(value: object, *, zero: bool = False, one: bool = False) -> object:
    """Refuse what is no fraction, and ask what was meant where it looks like percent.

    Args:
        value: As the user wrote it; what is no number at all is left to others to refuse.
        zero: None at all is a possible answer.
        one: All is a possible answer; else a bare 1 is asked about like every other percentage.

    Raises:
        ValueError: If it is not between 0 and 1.

    Example:
        >>> ask_for_a_fraction(5)
        Traceback (most recent call last):
        ValueError: must be a fraction between 0 and 1, got 5: is 5 % meant? That is 0.05
    """
    if isinstance(value, str):
        raise ValueError(f"must be a fraction such as 0.05 (that is 5 %), got {value!r}")
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return value
    if 0 < value < 1 or (zero and value == 0) or (one and value == 1):
        return value
    question = "0.05 is 5 %"
    if 1 <= value < 100 or (one and value == 100):
        question = f"is {value:g} % meant? That is {value / 100:g}"
    elif value == 0:
        question = "it must be above 0; name the smallest that matters"
    raise ValueError(f"must be a fraction between 0 and 1, got {value:g}: {question}")


Rate = Annotated[float, BeforeValidator(partial(ask_for_a_fraction, zero=True, one=True)), Field(ge=0, le=1)]
Share = Annotated[float, BeforeValidator(ask_for_a_fraction), Field(gt=0, lt=1)]


class Cost(Settings):
    """What a mistake on one part costs. Only the ratios matter for the limits; the amounts show up as money."""

    escape: float = Field(default=10, gt=0, description="a defect part that passes: complaint, sorting at the customer")
    false_reject: float = Field(default=1, gt=0, description="a good part thrown away")
    recheck: float | None = Field(
        default=None, gt=0, description="a part that a person looks at again; null: no recheck band for its cost"
    )
    currency: str | None = Field(
        default=None, min_length=1, max_length=8, description="as EUR; null: costs are counted in false rejects"
    )


class Promise(Settings):
    """Shares of future parts that may go wrong; kept with the stated coverage by split conformal prediction."""

    escape: Share | None = Field(default=None, description="of future defect parts, at most; sets recheck_from")
    false_reject: Share | None = Field(default=None, description="of future good parts, at most; sets reject_from")

    @model_validator(mode="after")
    def _promises_something(self) -> Self:
        if self.escape is None and self.false_reject is None:
            raise ValueError("must name escape, false_reject or both")
        return self


class Wishes(Settings):
    """What the limits are to achieve."""

    cost: Cost = Field(default=Cost())
    defect_share: Share | None = Field(
        default=None, description="share of defect parts on the line, 0..1; null takes the share in the data"
    )
    max_escape_rate: Rate | None = Field(
        default=None, description="wanted escapes / defect parts of the data; sets recheck_from"
    )
    max_false_reject_rate: Rate | None = Field(
        default=None, description="wanted false rejects / good parts of the data; sets reject_from"
    )
    promise: Promise | None = Field(
        default=None, description="in place of wanted rates: a promise about future parts with stated coverage"
    )

    @model_validator(mode="after")
    def _one_kind_of_wish(self) -> Self:
        wanted = [name for name in ("max_escape_rate", "max_false_reject_rate") if getattr(self, name) is not None]
        if self.promise is not None and wanted:
            raise ValueError(f"promise cannot stand beside {' and '.join(wanted)}: take one of the two")
        return self
