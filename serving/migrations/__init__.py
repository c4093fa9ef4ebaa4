"""How the store's tables came to be, one script a change, run by Alembic when a store is opened."""

import sqlalchemy as sa

from serving.database import StoreError, transaction, where

VERSION_TABLE = "remora_version"
"""Not Alembic's default name: MLflow uses that one, and may live in the same database."""

HEAD = "0004"
"""The newest script in `versions`; a store that is there already is opened without importing Alembic (0.4 s)."""


def migrate(engine: sa.Engine) -> None:
    """Bring a store of any age, or an empty database, to HEAD. Safe for several processes at once.

    Raises StoreError when a newer Remora wrote the store.
    """
    with transaction(engine) as connection:
        if revision(connection) == HEAD:
            return
    with transaction(engine, writes=True) as connection:  # who waited here may find it done: then nothing is run
        _upgrade(connection)


def revision(connection: sa.Connection) -> str | None:
    """The last script this database has seen; None when it has seen none."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
    return found


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "serving:migrations")
    config.set_main_option("path_separator", "os")
    seen = revision(connection)
    if seen is not None and seen not in {
        script.revision for script in ScriptDirectory.from_config(config).walk_revisions()
    }:
        raise StoreError(
            f"store {where(connection.engine)}: written by a newer Remora (revision {seen}, this one knows {HEAD}); "
            "update Remora, or name another store"
        )
    command.upgrade(config, HEAD)
