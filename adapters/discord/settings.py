"""The operator's choices for Discord: `DISCORD_*`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class DiscordSettings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="DISCORD_", env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore"
    )

    token: SecretStr = Field(description="The bot's token, from Bot → Reset Token in Discord's developer portal.")
    api_base: str | None = Field(
        default=None,
        description="Origin that takes the place of `https://discord.com`, e.g. a REST proxy or a local server.",
    )
    shards: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        default="auto", description="How many gateway connections: `auto` (Discord says how many) or a number."
    )
    guild_ids: Annotated[tuple[int, ...], NoDecode] = Field(
        default=(),
        description="Server ids, comma-separated: register the commands in these servers only, at once (development).",
    )

    @field_validator("token")
    @classmethod
    def _has_text(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().strip():
            raise ValueError("the bot's token, one long line of letters, digits and dots")
        return SecretStr(value.get_secret_value().strip())

    @field_validator("api_base")
    @classmethod
    def _is_origin(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("an origin such as http://127.0.0.1:8080")
        return value.rstrip("/") if value else None

    @field_validator("guild_ids", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @property
    def rest(self) -> str:
        """Where every REST path begins."""
        return f"{self.api_base or 'https://discord.com'}/api/v10"
