"""Fixtures for every room, and how the tests are dealt out to workers."""

from tests.company import company as company
from tests.company import home_copy as home_copy
from tests.company import trained as trained
from tests.postgres import postgres_url as postgres_url
from tests.scheduling import pytest_collection_modifyitems as pytest_collection_modifyitems
from tests.scheduling import pytest_xdist_make_scheduler as pytest_xdist_make_scheduler
