"""The operator's choices for Slack: `SLACK_*`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

NOTHING = SecretStr("")


class SlackSettings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="SLACK_", env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore"
    )

    mode: Literal["socket", "http"] = Field(
        default="socket",
        description="How Slack reaches Easel: `socket` (Easel connects to Slack) or `http` (Slack posts to /slack/events).",
    )
    client_id: str = Field(
        default="",
        description="The app's client id: with the secret, many workspaces can add Easel at /slack/install.",
    )
    client_secret: SecretStr = Field(
        default=NOTHING, validate_default=True, description="The app's client secret, for the same."
    )
    bot_token: SecretStr = Field(
        default=NOTHING,
        validate_default=True,
        description="The bot's token (xoxb-…) from OAuth & Permissions, for one workspace.",
    )
    app_token: SecretStr = Field(
        default=NOTHING,
        validate_default=True,
        description="The app-level token (xapp-…) with connections:write, for Socket Mode.",
    )
    signing_secret: SecretStr = Field(
        default=NOTHING,
        validate_default=True,
        description="The signing secret from Basic Information, for HTTP.",
    )
    connections: int = Field(
        default=2,
        ge=1,
        le=10,
        description="Connections in Socket Mode: with two, one that breaks loses no command.",
    )
    progress_per_minute: int = Field(
        default=30,
        ge=0,
        le=50,
        description="Progress edits a minute and workspace; Slack allows some 50 edits, and ends go first.",
    )
    api_base: str | None = Field(
        default=None,
        description="Origin that takes the place of `https://slack.com`, e.g. a proxy or a local server.",
    )

    @field_validator("api_base")
    @classmethod
    def _is_origin(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("an origin such as http://127.0.0.1:8080")
        return value.rstrip("/") if value else None

    @field_validator("client_secret", "bot_token", "app_token", "signing_secret")
    @classmethod
    def _there_where_needed(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        """What is needed depends on what was said before: the fields stand in this order."""
        text = value.get_secret_value().strip()
        many, mode = bool(info.data.get("client_id")), info.data.get("mode")
        match info.field_name:
            case "client_secret" if bool(text) != many:
                raise ValueError("goes with SLACK_CLIENT_ID: set both, or none")
            case "bot_token" if not (text or many):
                raise ValueError("is missing; or, for many workspaces, SLACK_CLIENT_ID and SLACK_CLIENT_SECRET")
            case "app_token" if not text and mode == "socket":
                raise ValueError("is missing: Socket Mode needs it; or set SLACK_MODE=http")
            case "signing_secret" if not text and mode == "http":
                raise ValueError("is missing: SLACK_MODE=http needs it")
        return SecretStr(text)

    @property
    def api(self) -> str:
        """Where every method of the Web API begins."""
        return f"{self.api_base or 'https://slack.com'}/api/"

    @property
    def many(self) -> bool:
        """Whether workspaces add Easel by themselves."""
        return bool(self.client_id)
