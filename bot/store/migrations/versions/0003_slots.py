"""Several processes on one Postgres: who runs a job, and whose turn it is."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("owner", sa.String(60), nullable=False, server_default=""))
    op.add_column("jobs", sa.Column("count", sa.Integer, nullable=False, server_default="1"))
    op.add_column("jobs", sa.Column("started_at", sa.Float))
    _count_what_is_open()
    for name, columns, where in (
        ("ix_jobs_open", ["platform", "requester_id", "id"], "outcome IS NULL"),
        ("ix_jobs_started", ["started_at"], "started_at IS NOT NULL"),
    ):
        op.create_index(name, "jobs", columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where))
    op.create_table(
        "slots",
        sa.Column("slot", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("owner", sa.String(60), nullable=False),
        sa.Column("role", sa.String(10), nullable=False),
        sa.Column("of", sa.Integer, nullable=False),
        sa.Column("dead_after", sa.Float, nullable=False, server_default="0"),
        sa.Column("serves", sa.Text, nullable=False, server_default=""),
        sa.Column("draws", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("beat_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("slot", name=op.f("pk_slots")),
    )
    op.create_table(
        "turns",
        sa.Column("person", sa.String(130), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_turns")),
    )


def _count_what_is_open() -> None:
    jobs = sa.table(
        "jobs", sa.column("request", sa.JSON), sa.column("count", sa.Integer), sa.column("outcome", sa.JSON)
    )
    asked = jobs.c.request["count"].as_integer()
    op.execute(jobs.update().where(jobs.c.outcome.is_(None)).values(count=asked))


def downgrade() -> None:
    op.drop_table("turns")
    op.drop_table("slots")
    op.drop_index("ix_jobs_started", "jobs")
    op.drop_index("ix_jobs_open", "jobs")
    for name in ("started_at", "count", "owner"):
        op.drop_column("jobs", name)
