"""Fixtures for every room."""

from tests.company import company as company
from tests.company import home_copy as home_copy
from tests.company import trained as trained
from tests.postgres import postgres_url as postgres_url
