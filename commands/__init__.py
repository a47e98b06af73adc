"""What people can ask, described once for every platform."""

from __future__ import annotations

from commands.again import AGAIN, RETRY
from commands.cancel import CANCEL, CANCEL_BUTTON
from commands.delete import DELETE
from commands.details import DETAILS, DETAILS_BUTTON
from commands.edit import EDIT, EDIT_BUTTON, EDIT_FORM
from commands.help import HELP
from commands.history import HISTORY
from commands.imagine import IMAGINE
from commands.lora import LORA_INFO, LORA_LIST
from commands.ping import PING
from commands.queue import QUEUE
from commands.show import SHOW
from commands.source import SOURCE, SOURCE_FORM
from commands.spec import Command, Where
from commands.spoiler import SPOILER
from commands.vary import VARY

CATALOGUE: tuple[Command, ...] = (
    # typed
    IMAGINE,
    EDIT,
    SHOW,
    HISTORY,
    QUEUE,
    CANCEL,
    LORA_LIST,
    LORA_INFO,
    HELP,
    PING,
    # on a message
    DETAILS,
    SOURCE,
    SPOILER,
    # under a result
    CANCEL_BUTTON,
    AGAIN,
    RETRY,
    EDIT_BUTTON,
    VARY,
    DELETE,
    DETAILS_BUTTON,
    # a form that came back
    EDIT_FORM,
    SOURCE_FORM,
)

_BY_NAME = {(it.name, it.where): it for it in CATALOGUE}


def command(name: str, where: Where) -> Command:
    """The one command of this name there. Raises KeyError for a name that isn't in the catalogue."""
    return _BY_NAME[name, where]
