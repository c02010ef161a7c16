"""The SIP dialogs of calls that are up, for a restart to end them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this version."""
    op.add_column("conversations", sa.Column("dialogs", sa.Text(), nullable=True))
