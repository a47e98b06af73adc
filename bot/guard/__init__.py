"""Who may ask how much, and where a flagged picture may show: pure deciders."""

from bot.guard.limits import Limits, Usage
from bot.guard.policy import Policy, Showing

__all__ = ["Limits", "Policy", "Showing", "Usage"]
