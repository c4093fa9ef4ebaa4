"""`GET /v1/customers/{customer_id}` and `GET /v1/at-risk`: what the store says of customers."""

import datetime as dt

from starlette.responses import Response

from serving.alert_page import alert_page
from serving.api.asking import Ask
from serving.api.replies import Json
from serving.errors import InvalidRequestError, UnknownCustomerError, require_price
from serving.predicting import Predictor
from serving.ranking import Wanted
from serving.schemas import (
    AtRiskQuery,
    AtRiskResponse,
    CustomerQuery,
    CustomerResponse,
    PastScore,
    ScoredAccount,
)
from serving.schemas_alerts import AlertShown
from serving.store import Account

MOST_ALERTS = 100


def customer(ask: Ask) -> Response:
    """The current score of one customer, what was said before, and the open alerts."""
    customer_id, query = ask.path("customer_id"), ask.query(CustomerQuery)
    store, tenant = ask.state.store(), ask.caller.tenant
    found = store.account(customer_id, tenant)
    if found is None:
        raise UnknownCustomerError(f"customer {customer_id!r} was never scored", fields=("customer_id",))
    ask.saw("customer.read", customer_id)
    pack, most = ask.state.pack(), MOST_ALERTS
    alerts, _ = alert_page(
        store.engine, pack=pack, customer=customer_id, tenant=tenant, include_snoozed=True, limit=most
    )  # fmt: skip
    serving = ask.state.champion.current
    return Json(
        CustomerResponse(
            customer=scored(found),
            valid_until=found.prediction.as_of + dt.timedelta(days=ask.state.settings.snapshots.every_days),
            bundle_version=serving and serving.versions["bundle_version"],
            history=[PastScore.model_validate(row) for row in store.past(customer_id, query.history)],
            alerts=[AlertShown.model_validate(alert) for alert in alerts],
        )
    )


def at_risk(ask: Ask) -> Response:
    """Customers at stake, the most value at risk first, or those worth acting on."""
    query = ask.query(AtRiskQuery)
    _require_tier(query.tier, ask.state.champion.current)
    if query.worth_acting:
        require_price(ask.state.settings.action, "worth_acting")
    wanted = Wanted(**query.model_dump(exclude={"limit", "after"}), tenant=ask.caller.tenant)
    store = ask.state.store()
    page = store.at_risk(wanted, query.limit, after=query.after)
    ask.saw("at_risk.read", *(account.prediction.customer_id for account in page.accounts))
    accounts = [scored(account) for account in page.accounts]
    return Json(AtRiskResponse(total=store.count_at_risk(wanted), accounts=accounts, next=page.next))


def scored(account: Account) -> ScoredAccount:
    """An account in the words of the API."""
    known = {"name": account.name, "owner": account.owner, "backfill": account.backfill}
    return ScoredAccount.model_validate(vars(account.prediction) | known)


def _require_tier(tier: str | None, serving: Predictor | None) -> None:
    """A tier that the rules do not have would give an empty list, as if nobody were at risk."""
    if tier is not None and serving and tier not in serving.pack.composite.tiers:
        known = ", ".join(serving.pack.composite.tiers)
        raise InvalidRequestError(f"not a tier; one of {known}", fields=("tier",))
