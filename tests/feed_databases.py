"""Both databases of the feed, for tests: each test that takes `database` runs on SQLite and on a real PostgreSQL.

pytest_plugins = ("feed_databases",)

def test_a_law(database): ...       # an open, empty FeedDatabase
def test_another(database_url): ... # the URL of a database that is not there yet or empty
"""

import pytest
from postgres_server import PostgresServer

from traceformers.apps.feed.database.feed_database import FeedDatabase


@pytest.fixture(scope="session")
def postgres_server():
    """A PostgreSQL server for the whole session; it starts with the first test that needs it."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    """The URL of an empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/feed.sqlite"
    return request.getfixturevalue("postgres_server").new_database()


@pytest.fixture
def database(database_url):
    """An open, empty `FeedDatabase` of each kind."""
    with FeedDatabase(database_url) as opened:
        yield opened
