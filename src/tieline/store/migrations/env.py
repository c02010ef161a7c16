"""What Alembic runs: the migrations, on the connection that `tieline.store.migration` hands over."""

from alembic import context

from tieline.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
