"""Secrets of the platforms, encrypted; the jobs of one place"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secrets")),
    )
    op.create_index("ix_jobs_place", "jobs", ["platform", "channel", "id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_jobs_place", "jobs")
    op.drop_table("secrets")
