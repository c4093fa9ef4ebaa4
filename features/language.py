"""The two languages that people read. English sentences in the code are the message ids; Chinese lies in `locale/`.

Write `_ = translator(lang).gettext` and `_("…")`; a sentence that stands in a table is marked with `N_` there and
translated where it is used. Then run `make translations` and fill in what is empty in the .po file of `locale/zh`.
"""

from functools import cache
from gettext import NullTranslations, translation
from pathlib import Path
from typing import Literal, get_args

Lang = Literal["en", "zh"]

LANGS: tuple[Lang, ...] = get_args(Lang)

DOMAIN = "remora"
LOCALE = Path(__file__).parent / "locale"


@cache
def translator(lang: Lang = "en") -> NullTranslations:
    """The translations of `lang`, with `gettext` and `ngettext`; in English every message is itself.

    >>> translator("zh").gettext("never happened"), translator("en").ngettext("{n} day", "{n} days", 2)
    ('从未发生', '{n} days')
    """
    return NullTranslations() if lang == "en" else translation(DOMAIN, LOCALE, languages=[lang])


def N_(message: str) -> str:  # noqa: N802  # the name that gettext tools look for
    """`message` itself, marked for translation where it is used later."""
    return message
