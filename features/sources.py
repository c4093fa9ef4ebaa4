"""The input contract: one class a table. Validation, documentation, simulated data and tests derive from it.

Physical types behind the contract's kinds, once a table is open (see `engines.py`): text is String, number is
Float64, flag is Float64 (0 or 1), time is Int64 microseconds since 1970-01-01 UTC.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

Kind = Literal["text", "number", "flag", "time"]


@dataclass(frozen=True)
class Column:
    """One column: what it holds, its unit, whether it must be there, and which values are possible."""

    kind: Kind
    meaning: str
    unit: str = ""
    required: bool = False
    low: float | None = None
    high: float | None = None
    filled_at: str | None = None  # the column whose time says when this one came to be known
    filled_after_minutes: bool = False  # known that many minutes after the row happened


def text(meaning: str, **more: object) -> Column:
    """Text; "007" stays "007"."""
    return Column("text", meaning, **more)  # type: ignore[arg-type]


def number(meaning: str, unit: str = "", **more: object) -> Column:
    """A number in `unit`."""
    return Column("number", meaning, unit, **more)  # type: ignore[arg-type]


def flag(meaning: str, **more: object) -> Column:
    """True or false."""
    return Column("flag", meaning, **more)  # type: ignore[arg-type]


def time(meaning: str, **more: object) -> Column:
    """A point in time; a date means 00:00 in the company's time zone."""
    return Column("time", meaning, "time", **more)  # type: ignore[arg-type]


class Table:
    """Base of the contract's tables: class attributes that are Columns, in order."""

    table: ClassVar[str]
    happened_at: ClassVar[str | None] = None  # the column that says when a row happened
    extra: ClassVar[bool] = False  # whether columns outside the contract are kept

    @classmethod
    def columns(cls) -> dict[str, Column]:
        """Column name → Column, in declaration order."""
        return {name: value for name, value in vars(cls).items() if isinstance(value, Column)}

    @classmethod
    def required(cls) -> tuple[str, ...]:
        """Names of the columns that must be present."""
        return tuple(name for name, column in cls.columns().items() if column.required)


CUSTOMER = text("the customer the row is about", required=True)
HAPPENED = time("when it happened", required=True)
RECORDED = time("when the company came to know the row")


class Customers(Table):
    """One row per customer: who they are today."""

    table = "customers"
    happened_at = "signed_up_at"
    extra = True
    customer_id = text("the customer's key", required=True)
    name = text("what people call the customer")
    signed_up_at = time("when the relationship began")
    industry = text("line of business")
    industry_growth_rate = number("yearly growth of the customer's industry", "share")
    industry_position = text("standing in the industry")
    size_fit = number("fit of the company's size", "share", low=0, high=1)
    employees = number("number of employees", "people", low=0)
    annual_revenue = number("the customer's own yearly revenue", "money")
    region = text("region")
    country = text("country")
    account_owner = text("who looks after the customer")
    preferred_channel = text("how the customer wants to be reached")
    preferred_form = text("form of address the customer prefers")
    preferred_cadence = text("how often the customer wants to hear from us")
    birthday = time("birthday or founding day")
    acquisition_channel = text("how the customer was won")
    acquisition_cost = number("what winning the customer cost", "money", low=0)


class Transactions(Table):
    """Money in and back: one row per order line or payment."""

    table = "transactions"
    happened_at = "occurred_at"
    customer_id = CUSTOMER
    occurred_at = HAPPENED
    amount = number("net amount; negative is a return", "money", required=True)
    order_id = text("rows of one customer with one order_id are one purchase")
    product = text("what was bought")
    quantity = number("pieces", "pieces")
    unit_price = number("price of one piece", "money")
    gross_margin = number("amount less cost of goods", "money")
    discount = number("discount granted", "share", low=0, high=1)
    currency = text("ISO 4217 code")
    recorded_at = RECORDED


class Subscriptions(Table):
    """One row per subscription or prepaid period."""

    table = "subscriptions"
    happened_at = "started_at"
    customer_id = CUSTOMER
    started_at = time("first moment of the subscription", required=True)
    ended_at = time("first moment after it; null while running", required=True, filled_at="ended_at")
    monthly_amount = number("price a month", "money", required=True, low=0)
    term_ends_at = time("end of the term agreed in advance")
    renews = flag("renews by itself at the end of the term")
    product = text("what is subscribed to")
    seats = number("seats paid for", "seats", low=0)
    discount = number("discount granted", "share", low=0, high=1)
    recorded_at = RECORDED


class UsageEvents(Table):
    """Use of the product: one row per use, or per day and feature with a quantity."""

    table = "usage_events"
    happened_at = "occurred_at"
    customer_id = CUSTOMER
    occurred_at = HAPPENED
    feature = text("which part of the product", required=True)
    quantity = number("how often or how much", "uses", low=0)
    recorded_at = RECORDED


class NpsResponses(Table):
    """Answers to "how likely are you to recommend us?"."""

    table = "nps_responses"
    happened_at = "occurred_at"
    customer_id = CUSTOMER
    occurred_at = HAPPENED
    score = number("0 to 10", "points", required=True, low=0, high=10)
    respondent = text("who answered")
    comment = text("what they wrote")
    recorded_at = RECORDED


class SatisfactionSurveys(Table):
    """Satisfaction answers, 1 to 5."""

    table = "satisfaction_surveys"
    happened_at = "occurred_at"
    customer_id = CUSTOMER
    occurred_at = HAPPENED
    score = number("1 to 5", "points", required=True, low=1, high=5)
    topic = text("what was asked about")
    suggestion = text("what they suggested")
    respondent = text("who answered")
    recorded_at = RECORDED


class Interactions(Table):
    """Contacts with the customer: calls, visits, mails."""

    table = "interactions"
    happened_at = "occurred_at"
    customer_id = CUSTOMER
    occurred_at = HAPPENED
    channel = text("call, visit, mail, …", required=True)
    direction = text("inbound or outbound")
    topic = text("enquiry, need_change, complaint, intent, …")
    outcome = text("what came of it")
    recorded_at = RECORDED


class Tickets(Table):
    """Problems the customer reported."""

    table = "tickets"
    happened_at = "occurred_at"
    customer_id = CUSTOMER
    occurred_at = HAPPENED
    first_response_minutes = number("minutes to the first answer", "minutes", low=0, filled_after_minutes=True)
    first_solution_at = time("first solution", filled_at="first_solution_at")
    closed_at = time("closed", filled_at="closed_at")
    is_complaint = flag("whether it is a complaint")
    satisfaction = number("satisfaction with the solution, 1 to 5", "points", low=1, high=5, filled_at="closed_at")
    category = text("kind of problem")
    severity = text("how bad")
    recorded_at = RECORDED


class Cancellations(Table):
    """Cancellations with their reasons: feeds features and reasons, never the label."""

    table = "cancellations"
    happened_at = "occurred_at"
    customer_id = CUSTOMER
    occurred_at = HAPPENED
    reason = text("price, service, product fit, …")
    feedback = text("in the customer's words")
    recorded_at = RECORDED


class Labels(Table):
    """Churn labels brought by the user: one row per customer and cut-off."""

    table = "labels"
    happened_at = "as_of"
    customer_id = CUSTOMER
    as_of = time("the cut-off the label belongs to", required=True)
    churned = flag("whether the customer left", required=True)
    value = number("what the customer was worth over the value horizon", "money")


class Interventions(Table):
    """What was done about an alert."""

    table = "interventions"
    happened_at = "occurred_at"
    customer_id = CUSTOMER
    occurred_at = HAPPENED
    playbook = text("which playbook", required=True)
    arm = text("treatment or control")
    owner = text("who")
    due_at = time("deadline")
    reason = text("why")
    plan_submitted_at = time("win-back plan handed in", filled_at="plan_submitted_at")
    outcome = text("what came of it", filled_at="outcome_at")
    outcome_at = time("when the outcome was known", filled_at="outcome_at")


class Leads(Table):
    """Prospects and their scores."""

    table = "leads"
    happened_at = "created_at"
    lead_id = text("the lead's key", required=True)
    created_at = time("when the lead came in", required=True)
    customer_id = text("the customer it became")
    source = text("where the lead came from")
    owner = text("who works it")
    budget = number("BANT: budget", "points", low=0)
    authority = number("BANT: authority", "points", low=0)
    need = number("BANT: need", "points", low=0)
    timing = number("BANT: timing", "points", low=0)
    need_clarity = number("clarity of need", "points", low=1, high=5)
    budget_match = number("budget match", "points", low=1, high=5)
    decision_chain = number("completeness of the decision chain", "points", low=1, high=5)
    urgency = number("urgency", "points", low=1, high=5)
    enquiries = number("number of enquiries", "enquiries", low=0)
    first_contacted_at = time("first contact", filled_at="first_contacted_at")
    outcome = text("won, lost or open", filled_at="outcome_at")
    outcome_at = time("when it was decided", filled_at="outcome_at")
    outcome_reason = text("why it was lost", filled_at="outcome_at")
    win_factor = text("why it was won", filled_at="outcome_at")
    competitor = text("who else was in the running")
    industry = text("line of business")
    employees = number("number of employees", "people", low=0)
    tags = text("tags, separated by commas")
    referred_by = text("the customer who referred the lead")
    expected_amount = number("expected deal", "money")
    expected_close_at = time("expected close")


class LeadStages(Table):
    """When a lead entered a stage."""

    table = "lead_stages"
    happened_at = "entered_at"
    lead_id = text("the lead", required=True)
    stage = text("stage entered", required=True)
    entered_at = time("when", required=True)


TABLES: dict[str, type[Table]] = {
    table.table: table
    for table in (
        Customers,
        Transactions,
        Subscriptions,
        UsageEvents,
        NpsResponses,
        SatisfactionSurveys,
        Interactions,
        Tickets,
        Cancellations,
        Labels,
        Interventions,
        Leads,
        LeadStages,
    )
}

ONE_OF = ("transactions", "subscriptions", "usage_events", "labels")
