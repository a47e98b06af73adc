"""Migrations of our own tables, by alembic."""
