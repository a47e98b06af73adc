"""Jobs, pictures, the ledger and facts"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "facts",
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_facts")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("short", sa.String(length=16), nullable=False),
        sa.Column("platform", sa.String(length=20), nullable=False),
        sa.Column("delivery_key", sa.String(length=200), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("requester_id", sa.String(length=100), nullable=False),
        sa.Column("requester_name", sa.String(length=200), nullable=False),
        sa.Column("community", sa.String(length=100), nullable=True),
        sa.Column("channel", sa.String(length=100), nullable=False),
        sa.Column("age_restricted", sa.Boolean(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("message_key", sa.String(length=200), nullable=False),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("spoiler", sa.Boolean(), nullable=False),
        sa.Column("locale", sa.String(length=20), nullable=False),
        sa.Column("notes", sa.JSON(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("cancelled_at", sa.Float(), nullable=True),
        sa.Column("outcome", sa.JSON(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.Column("closed_at", sa.Float(), nullable=True),
        sa.Column("public", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("deleted", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("platform", "delivery_key", "ordinal", name="uq_jobs_delivery"),
        sa.UniqueConstraint("short", name=op.f("uq_jobs_short")),
    )
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.create_index("ix_jobs_message_key", ["message_key"], unique=False)
        batch_op.create_index("ix_jobs_requester", ["platform", "requester_id", "id"], unique=False)
        batch_op.create_index("ix_jobs_state", ["state", "id"], unique=False)

    op.create_table(
        "ledger",
        sa.Column("job_id", sa.String(length=26), nullable=False),
        sa.Column("person", sa.String(length=130), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("pictures", sa.Integer(), nullable=False),
        sa.Column("price", sa.Float(), nullable=False),
        sa.Column("charged_at", sa.Float(), nullable=False),
        sa.Column("posted_at", sa.Float(), nullable=True),
        sa.Column("prediction_id", sa.String(length=100), nullable=True),
        sa.Column("submitted_at", sa.Float(), nullable=True),
        sa.Column("owner", sa.String(length=60), nullable=True),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_ledger")),
        sa.UniqueConstraint("prediction_id", name=op.f("uq_ledger_prediction_id")),
    )
    with op.batch_alter_table("ledger", schema=None) as batch_op:
        batch_op.create_index("ix_ledger_charged", ["charged_at"], unique=False)
        batch_op.create_index("ix_ledger_person", ["person", "charged_at"], unique=False)

    op.create_table(
        "pictures",
        sa.Column("job_id", sa.String(length=26), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("media_type", sa.String(length=40), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("flag", sa.String(length=10), nullable=False),
        sa.Column("withheld", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_pictures_job_id")),
        sa.PrimaryKeyConstraint("job_id", "index", name=op.f("pk_pictures")),
    )


def downgrade() -> None:
    op.drop_table("pictures")
    with op.batch_alter_table("ledger", schema=None) as batch_op:
        batch_op.drop_index("ix_ledger_person")
        batch_op.drop_index("ix_ledger_charged")

    op.drop_table("ledger")
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_index("ix_jobs_state")
        batch_op.drop_index("ix_jobs_requester")
        batch_op.drop_index("ix_jobs_message_key")

    op.drop_table("jobs")
    op.drop_table("facts")
