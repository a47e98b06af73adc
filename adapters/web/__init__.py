"""The playground: a channel in the browser, without any account, as one of the chat platforms that Easel speaks with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapters.web.settings import WebSettings
    from bot.doctor import Check
    from bot.ports import Platform
    from bot.settings import Settings


def connect(settings: WebSettings | None = None, easel: Settings | None = None) -> Platform:
    """The platform, not yet serving. Without settings they come from the environment (`EASEL_WEB_*`, `EASEL_*`).

    Raises BadSettings for those that make no sense, and when the port is open to others without a token.
    """
    from adapters.web.client import Web

    return Web(settings or _read(), easel or _easel())


def settings_kind() -> type[WebSettings]:
    """What the operator chooses for it."""
    from adapters.web.settings import WebSettings

    return WebSettings


def wanted(alone: bool) -> bool:
    """It needs no token: it is what there is where nothing else was set up."""
    return alone


async def diagnose(easel: Settings | None = None) -> list[Check]:
    """What `doctor` says of it: where it is to be found, and whether it asks for the operator's token."""
    from adapters.web.settings import check_open
    from bot.doctor import Check
    from bot.errors import BadSettings

    settings = easel or _easel()
    try:
        check_open(settings)
    except BadSettings as error:
        return [Check("Playground", False, str(error))]
    address = settings.public_url or f"http://{_host(settings.http_host)}:{settings.http_port or '(any free port)'}"
    asks = (
        "it asks for EASEL_WEB_TOKEN"
        if settings.open_to_others
        else "only this machine reaches it, so it asks for nothing"
    )
    return [Check("Playground", True, f"{address}; {asks}")]


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _read() -> WebSettings:
    from bot.settings import read

    return read(settings_kind())[0]


def _easel() -> Settings:
    from bot.settings import Settings, read

    return read(Settings)[0]
