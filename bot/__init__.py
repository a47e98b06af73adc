"""The heart of Easel: the life of a job, what is remembered of it, and how the bot starts."""

__version__ = "0.1.0"
