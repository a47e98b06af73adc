"""Faults thrown at the real bot, seeded, with an account of every job at the end of each run."""
