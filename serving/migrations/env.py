"""Alembic's entry: run the scripts on the connection, and in the transaction, that `migrate` holds."""

from alembic import context

from serving.migrations import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"], version_table=VERSION_TABLE, transactional_ddl=True
)
with context.begin_transaction():
    context.run_migrations()
