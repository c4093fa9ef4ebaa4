"""Where the shared real data lies, and with which settings it is read."""

import os
from pathlib import Path
from typing import NoReturn

import pytest

from features.settings import Churn, Settings, TableMapping

PREPAID = {"subscriptions": TableMapping(ended_at_is_term=True)}
SETTINGS = {
    "online_retail_2": {"churn": Churn(definition="no_purchase", horizon_days=90)},
    "social_network": {"churn": Churn(definition="cancelled", horizon_days=31, grace_days=0), "tables": PREPAID},
    "saas_crm": {"churn": Churn(definition="cancelled", horizon_days=60, grace_days=0), "tables": PREPAID},
    "ravenstack": {"churn": Churn(definition="cancelled", horizon_days=60)},
    "cdnow_sample": {"churn": Churn(definition="no_purchase", horizon_days=90)},
    "telco": {"churn": Churn(definition="labelled")},
}


def real_data(name: str) -> Path:
    """The folder of one data set; skips where it is absent, fails where CI promised it."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("REMORA_DATA", default)) / name
    if not folder.is_dir():
        _absent(f"{name}: not below REMORA_DATA (default ../shared/data)")
    return folder


def real_settings(name: str) -> Settings:
    """Settings as the data's README advises."""
    return Settings.model_construct(**SETTINGS[name])


def _absent(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
