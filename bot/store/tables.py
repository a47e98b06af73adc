"""The tables: what is remembered of jobs and pictures, and the money ledger. Migrations bring them about."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)

# Times are seconds since 1970 (UTC) as floats: one type on both databases, and cheap to compare.

_OPEN = sa.text("outcome IS NULL")
_STARTED = sa.text("started_at IS NOT NULL")

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("short", sa.String(16), nullable=False, unique=True),
    sa.Column("platform", sa.String(20), nullable=False),
    sa.Column("delivery_key", sa.String(200), nullable=False),
    sa.Column("ordinal", sa.Integer, nullable=False),
    sa.Column("requester_id", sa.String(100), nullable=False),
    sa.Column("requester_name", sa.String(200), nullable=False),
    sa.Column("community", sa.String(100)),
    sa.Column("channel", sa.String(100), nullable=False),
    sa.Column("age_restricted", sa.Boolean, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("message_key", sa.String(200), nullable=False),
    sa.Column("private", sa.Boolean, nullable=False),
    sa.Column("spoiler", sa.Boolean, nullable=False),
    sa.Column("locale", sa.String(20), nullable=False),
    sa.Column("notes", sa.JSON, nullable=False),
    sa.Column("request", sa.JSON, nullable=False),
    sa.Column("kind", sa.String(60), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("cancelled_at", sa.Float),
    sa.Column("outcome", sa.JSON),
    sa.Column("seconds", sa.Float),
    sa.Column("ended_at", sa.Float),
    sa.Column("closed_at", sa.Float),
    sa.Column("public", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("deleted", sa.Boolean, nullable=False, server_default=sa.false()),
    # Which process runs it, of several on one Postgres; empty while any of them may take it.
    sa.Column("owner", sa.String(60), nullable=False, server_default=""),
    # Pictures asked for, as in `request`.
    sa.Column("count", sa.Integer, nullable=False, server_default="1"),
    # When several processes' common gate let it in.
    sa.Column("started_at", sa.Float),
    sa.UniqueConstraint("platform", "delivery_key", "ordinal", name="uq_jobs_delivery"),
    sa.Index("ix_jobs_requester", "platform", "requester_id", "id"),
    sa.Index("ix_jobs_state", "state", "id"),
    sa.Index("ix_jobs_place", "platform", "channel", "id"),
    sa.Index("ix_jobs_message_key", "message_key"),
    # What holds or wants a place at the API: few rows of many.
    sa.Index("ix_jobs_open", "platform", "requester_id", "id", postgresql_where=_OPEN, sqlite_where=_OPEN),
    sa.Index("ix_jobs_started", "started_at", postgresql_where=_STARTED, sqlite_where=_STARTED),
)

pictures = sa.Table(
    "pictures",
    metadata,
    sa.Column("job_id", sa.String(26), sa.ForeignKey("jobs.id"), primary_key=True),
    sa.Column("index", sa.Integer, primary_key=True),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("media_type", sa.String(40), nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("flag", sa.String(10), nullable=False),
    sa.Column("withheld", sa.Boolean, nullable=False),
)

ledger = sa.Table(
    "ledger",
    metadata,
    # No foreign key: the ledger's row stays whatever becomes of the job's.
    sa.Column("job_id", sa.String(26), primary_key=True),
    sa.Column("person", sa.String(130), nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("pictures", sa.Integer, nullable=False),
    sa.Column("price", sa.Float, nullable=False),
    sa.Column("charged_at", sa.Float, nullable=False),
    sa.Column("posted_at", sa.Float),
    sa.Column("prediction_id", sa.String(100), unique=True),
    sa.Column("submitted_at", sa.Float),
    sa.Column("owner", sa.String(60)),
    sa.Index("ix_ledger_charged", "charged_at"),
    sa.Index("ix_ledger_person", "person", "charged_at"),
)

facts = sa.Table(
    "facts",
    metadata,
    sa.Column("key", sa.String(100), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

secrets = sa.Table(
    "secrets",
    metadata,
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("sealed", sa.Text, nullable=False),
)

slots = sa.Table(
    "slots",
    metadata,
    # Processes that are at work on this Postgres. A peer whose `beat_at` (the server's clock) is old has died or hangs.
    sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("owner", sa.String(60), nullable=False),
    sa.Column("role", sa.String(10), nullable=False),
    # How many there are (EASEL_SLOTS), as that process was told.
    sa.Column("of", sa.Integer, nullable=False),
    # Seconds of silence after which it takes others for dead (EASEL_ADOPT_AFTER).
    sa.Column("dead_after", sa.Float, nullable=False, server_default="0"),
    # The platforms whose messages it can change, with commas.
    sa.Column("serves", sa.Text, nullable=False, server_default=""),
    # Whether it lets jobs in by now: not while it starts or stops, and a gateway never.
    sa.Column("draws", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("beat_at", sa.Float, nullable=False),
)

turns = sa.Table(
    "turns",
    metadata,
    # When a person's job was last let in: people take turns, over all processes.
    sa.Column("person", sa.String(130), primary_key=True),
    sa.Column("at", sa.Float, nullable=False),
)
