"""`remora report`, `remora alerts`, `remora leads`: what the documented rules say of a company, beyond one customer."""

from typing import Annotated

import typer

from serving.options import AsOf, Config, Data, Json, Language
from serving.terminal import steps, tell

report_app = typer.Typer(
    name="report",
    help="Reports by the documented rules: the review, conversion, the value curve, cross-sell, the strategy table.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Days = Annotated[int, typer.Option(min=1, help="Days of the period that ends at --as-of.")]
Limit = Annotated[int, typer.Option(min=1, help="At most so many rows.")]


@report_app.command()
def review(
    data: Data,
    as_of: AsOf = None,
    days: Days = 30,
    done: Annotated[str | None, typer.Option("--done", help="Note this kind of review as done today.")] = None,
    lang: Language = "en",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Follow-ups of the month, whether the score still separates who stays, and where score and model disagree."""
    from serving.reporting import Reporting
    from serving.reports import review_report

    with steps("review"), Reporting.opened(data, config, as_of) as reporting:
        told = review_report(reporting, days, lang, done)
    tell(as_json, *told)


@report_app.command()
def conversion(
    data: Data, as_of: AsOf = None, lang: Language = "en", config: Config = None, as_json: Json = False
) -> None:
    """Leads by grade, stage and industry: won, lost and why, the weakest link, whether the scores hold."""
    from serving.conversion import conversion_report
    from serving.reporting import Reporting

    with steps("conversion"), Reporting.opened(data, config, as_of) as reporting:
        told = conversion_report(reporting, lang)
    tell(as_json, *told)


@report_app.command("value-curve")
def value_curve(
    data: Data, as_of: AsOf = None, lang: Language = "en", config: Config = None, as_json: Json = False
) -> None:
    """Value per customer and month of the relationship, where it shifts, and what came before."""
    from serving.reporting import Reporting
    from serving.reports import value_curve_report

    with steps("value curve"), Reporting.opened(data, config, as_of) as reporting:
        told = value_curve_report(reporting, lang)
    tell(as_json, *told)


@report_app.command("cross-sell")
def cross_sell(
    data: Data,
    as_of: AsOf = None,
    limit: Limit = 20,
    lang: Language = "en",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Who bought A bought B within three months, and who to offer it to now."""
    from serving.reporting import Reporting
    from serving.reports import cross_sell_report

    with steps("cross-sell"), Reporting.opened(data, config, as_of) as reporting:
        told = cross_sell_report(reporting, limit, lang)
    tell(as_json, *told)


@report_app.command()
def strategy(
    data: Data, as_of: AsOf = None, days: Days = 90, lang: Language = "en", config: Config = None, as_json: Json = False
) -> None:
    """The strategy table: each segment's goal, measures and owner, and how far it is."""
    from serving.reporting import Reporting
    from serving.reports import strategy_report

    with steps("strategy"), Reporting.opened(data, config, as_of) as reporting:
        told = strategy_report(reporting, days, lang)
    tell(as_json, *told)


def alerts(
    rule: Annotated[str | None, typer.Option(help="Only this rule.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only this owner, a person or a role.")] = None,
    customer: Annotated[str | None, typer.Option(help="Only this customer.")] = None,
    held_back: Annotated[bool, typer.Option("--held-back", help="What the weekly limits hold back.")] = False,
    limit: Limit = 50,
    lang: Language = "en",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Open alerts: who, what, by when, whose; and how many the weekly limits hold back."""
    from serving.alerts import alert_list

    tell(as_json, *alert_list(config, rule, owner, customer, held_back, limit, lang))


def leads(
    data: Data,
    as_of: AsOf = None,
    grade: Annotated[str | None, typer.Option(help="Only this grade.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only leads with this tag.")] = None,
    limit: Limit = 50,
    lang: Language = "en",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Leads by score: grade, first contact, who and what next; what is missing to score them."""
    from serving.leads import lead_list
    from serving.reporting import Reporting

    with Reporting.opened(data, config, as_of) as reporting:
        told = lead_list(reporting, grade, tag, limit, lang)
    tell(as_json, *told)
