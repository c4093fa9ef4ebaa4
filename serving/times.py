"""Times as a request says them: text of ISO 8601, of a year that every calendar and engine has."""

import datetime as dt
import re
from typing import Annotated, Final

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

_DAY: Final = r"[12]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_CLOCK: Final = r"[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?"
_ZONE: Final = r"(Z|[+-]([01]\d|2[0-3]):[0-5]\d)"
_TIME: Final = re.compile(f"{_DAY}({_CLOCK}{_ZONE}?)?", re.ASCII)
_MOMENT: Final = re.compile(f"{_DAY}{_CLOCK}{_ZONE}", re.ASCII)


def _read(text: object, form: re.Pattern[str]) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(text) if isinstance(text, str) and form.fullmatch(text) else None
    except ValueError:  # the 31st of June
        return None


def _time(text: object) -> dt.datetime:
    if (found := _read(text, _TIME)) is None:
        raise PydanticCustomError(
            "time", "must be a time such as 2026-06-30, 2026-06-30T14:05 or 2026-06-30T14:05:00+02:00"
        )
    return found


def _moment(text: object) -> dt.datetime:
    if (found := _read(text, _MOMENT)) is None:
        raise PydanticCustomError("moment", "must be a time with its timezone, such as 2026-06-30T14:05:00+02:00")
    return found


def _schema(form: re.Pattern[str]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{form.pattern}$", "examples": ["2026-06-30T14:05:00Z"]})


Time = Annotated[dt.datetime, BeforeValidator(_time), _schema(_TIME)]
"""A date, or a time with or without a zone."""
Moment = Annotated[dt.datetime, BeforeValidator(_moment), _schema(_MOMENT)]
"""A time with a zone."""
