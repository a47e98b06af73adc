"""The operator's choices for the playground: `EASEL_WEB_*`, beside what `bot.settings` says of the port itself."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.errors import BadSettings
from bot.settings import Settings


class WebSettings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="EASEL_WEB_", env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore"
    )

    limit_per_day: int = Field(
        default=500,
        ge=0,
        description="Pictures in any 24 hours for all guests of the page together: a new guest costs nothing. 0: no such limit.",
    )


def check_open(settings: Settings) -> None:
    """Raise BadSettings where anybody could draw at the operator's expense."""
    if settings.open_to_others and not settings.web_token.get_secret_value():
        raise BadSettings(
            "EASEL_WEB_TOKEN is missing: the page can be reached from beyond this machine, so it needs a token that "
            "you share with whom you like. `openssl rand -hex 16` makes one; or set EASEL_HTTP_HOST=127.0.0.1."
        )
