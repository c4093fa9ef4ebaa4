"""Both languages say the same: the catalogs in `features/locale`, and the features' words in Chinese."""

import io
import re
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from features.catalog import _PROFILE, _ROWS, FEW, NEVER, NONE, UNKNOWN, phrase
from features.language import DOMAIN, LANGS, LOCALE, translator
from features.sources import Customers

ROOMS = ("features", "models", "training", "monitoring", "serving")
ROOT = LOCALE.parents[1]
TEMPLATE = LOCALE / f"{DOMAIN}.pot"
CHINESE = LOCALE / "zh" / "LC_MESSAGES" / f"{DOMAIN}.po"
HINT = (
    "run `make translations`, then write what is missing into features/locale/zh/LC_MESSAGES/remora.po and run it again"
)


def catalog(file: Path, locale: str | None = None) -> Catalog:
    with file.open("rb") as opened:
        return read_po(opened, locale=locale, abort_invalid=True)


def messages(of: Catalog) -> list[Message]:
    return [message for message in of if message.id]


def fields(text: str) -> list[str]:
    """Names in braces, each as often as it stands there."""
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name is not None)


def told(of: Message) -> list[str]:
    return [of.string] if isinstance(of.string, str) else list(of.string)


def ids(of: Message) -> list[str]:
    return [of.id] if isinstance(of.id, str) else list(of.id)


def test_what_the_code_marks_is_what_the_template_holds() -> None:
    marked = {found[2] for room in ROOMS for found in extract_from_dir(ROOT / room, method_map=[("**.py", "python")])}
    assert {message.id for message in messages(catalog(TEMPLATE))} == marked, HINT


def test_every_message_is_told_in_chinese() -> None:
    chinese = catalog(CHINESE, "zh")
    assert {message.id for message in messages(chinese)} == {message.id for message in messages(catalog(TEMPLATE))}
    assert [message.id for message in messages(chinese) if not all(told(message)) or message.fuzzy] == [], HINT
    assert not chinese.obsolete


def test_the_compiled_catalog_is_the_written_one() -> None:
    compiled = io.BytesIO()
    write_mo(compiled, catalog(CHINESE, "zh"))
    assert compiled.getvalue() == CHINESE.with_suffix(".mo").read_bytes(), HINT


def test_placeholders_agree() -> None:
    for message in messages(catalog(CHINESE, "zh")):
        for translated in told(message):
            assert fields(translated) == fields(ids(message)[-1]), message.id


def test_catalogs_hold_no_place_and_no_moment() -> None:
    """They change when messages do, and only then."""
    assert "Creation-Date" not in TEMPLATE.read_text()
    assert re.findall(r"Date: (\S+)", CHINESE.read_text()) == ["2026-11-22", "2026-11-22"]
    for file in (TEMPLATE, CHINESE):
        places = {place for line in re.findall(r"^#: (.*)$", file.read_text(), re.M) for place in line.split()}
        assert {place.split("/")[0] for place in places} <= set(ROOMS)
        assert str(ROOT) not in file.read_text()


def test_english_messages_are_themselves() -> None:
    english = translator("en")
    assert english.gettext(NEVER) == NEVER
    assert [english.ngettext("{n} day", "{n} days", n) for n in (1, 2)] == ["{n} day", "{n} days"]
    assert LANGS == ("en", "zh")


@pytest.mark.parametrize(("name", "value", "words"), [
    ("rfm_recency_days", 74.0, "最近一次购买在74天前"),
    ("rfm_orders_count_90d", 0.0, "近90天下单0次"),
    ("rfm_amount_sum_365d", 12345.678, "近365天净消费额为12,346"),
    ("rfm_returns_share_365d", 0.25, "近365天退货金额占购买金额的25%"),
    ("rfm_orders_trend_90d", -0.5, "近90天下单次数较前一同长时段变化-50%"),
    ("usage_depth_30d", 0.25, "近30天核心功能用到了25%"),
    ("usage_sales_report_sum_30d", 4.0, "近30天使用“sales report”4次"),
    ("support_first_response_mean_365d", 12.5, "近365天平均12分钟首次响应"),
    ("subscription_days_to_renewal", 12.0, "距续约还有12天"),
    ("profile_acquisition_channel", "展会", "获客渠道：展会"),
    ("profile_favourite_colour", "蓝", "favourite colour：蓝"),
    ("rfm_recency_days", None, "距最近一次购买天数：从未发生"),
    ("rfm_orders_count_90d", None, "近90天下单次数：没有记录，按0计"),
    ("rfm_gap_mean_days", None, "平均购买间隔：数据太少，无法判断"),
    ("subscription_days_to_renewal", None, "距续约天数：没有已知的到期日"),
    ("profile_region", None, "地区：未知"),
])  # fmt: skip
def test_phrases_in_chinese(name: str, value: float | str | None, words: str) -> None:
    assert phrase(name, value, "zh") == words


@pytest.mark.parametrize("name", [*_ROWS, *_PROFILE])
def test_no_feature_falls_back_on_english(name: str) -> None:
    windowed = name if name in _PROFILE else f"{name}_90d"
    for told in (phrase(name, 5.0, "zh"), phrase(windowed, 5.0, "zh"), phrase(name, None, "zh")):
        assert not re.search(r"[A-Za-z{}]", told.replace("NPS", ""))
    assert "5" in phrase(name, 5.0, "zh")


def test_every_row_has_a_name_of_its_own_in_chinese() -> None:
    names = [translator("zh").gettext(name) for name in (*_ROWS, *_PROFILE)]
    assert len(set(names)) == len(names)


def test_columns_of_customers_have_names() -> None:
    known = {f"profile_{name}" for name, column in Customers.columns().items() if column.kind != "time"}
    assert known - {"profile_customer_id", "profile_name"} == set(_PROFILE)
    assert len({translator("zh").gettext(words) for words in (NONE, NEVER, FEW, UNKNOWN)}) == 4
