"""The operator's choices for the WaveSpeedAI API, read from `WAVESPEED_*`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Version = Literal["v2", "v3"]


@dataclass(frozen=True, slots=True)
class Pace:
    """What an account may do: pictures per minute and at once as WaveSpeedAI's account levels say, the rest is ours.

    `lanes` are submits in flight; few of them bound what a crash can leave uncertain. `looks` are result queries a
    second, for all jobs together.
    """

    per_minute: int
    at_once: int
    lanes: int
    looks: int


TIERS = {
    "bronze": Pace(per_minute=10, at_once=3, lanes=1, looks=10),
    "silver": Pace(per_minute=500, at_once=100, lanes=4, looks=50),
    "gold": Pace(per_minute=3000, at_once=2000, lanes=16, looks=150),
    "ultra": Pace(per_minute=5000, at_once=5000, lanes=32, looks=300),
}


class WaveSpeedSettings(BaseSettings):
    """Everything about the account and how we speak with the API."""

    model_config = SettingsConfigDict(
        env_prefix="WAVESPEED_",
        env_file=".env",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    api_key: SecretStr = Field(description="The account's key, from wavespeed.ai/accesskey.")
    base_url: str = Field(default="https://api.wavespeed.ai", description="Origin of the API, without a path.")
    api_version: Version = Field(
        default="v2",
        description="`v2` or `v3`. v3 also draws down to 256 pixels, but may never say which pictures are NSFW.",
    )
    tier: Literal["bronze", "silver", "gold", "ultra"] = Field(
        default="bronze",
        description="The account's level: sets pictures per minute, pictures at once and submit lanes.",
    )
    images_per_minute: int | None = Field(
        default=None, ge=1, description="Pictures submitted in any minute. Empty: the tier's number."
    )
    concurrency: int | None = Field(default=None, ge=1, description="Pictures drawn at once. Empty: the tier's number.")
    submit_lanes: int | None = Field(
        default=None, ge=1, le=256, description="Submits in flight at once. Empty: the tier's number."
    )
    max_loras: int | None = Field(
        default=None, ge=0, le=20, description="LoRAs per picture. Empty: 5 for v2, 4 for v3."
    )
    base64: bool = Field(default=False, description="Ask for pictures inside the answer instead of by address.")
    exclusive_key: bool = Field(
        default=False,
        description="Only Easel uses this key: a lost submit may then be recognised even if the API doesn't tell inputs.",
    )
    connect_timeout: float = Field(default=10.0, gt=0, description="Seconds to open a connection.")
    submit_timeout: float = Field(default=60.0, gt=0, description="Seconds to wait for the answer to a submit.")
    read_timeout: float = Field(default=30.0, gt=0, description="Seconds to wait for the answer to anything else.")
    deadline: float = Field(
        default=300.0, gt=0, description="Seconds after which an unfinished job is only looked at now and then."
    )
    give_up_after: float = Field(
        default=3600.0, gt=0, description="Seconds after which an unfinished job is no longer looked at."
    )
    max_picture_mb: float = Field(default=40.0, gt=0, le=200, description="Megabytes of the largest picture accepted.")

    @field_validator("api_key")
    @classmethod
    def _one_word(cls, value: SecretStr) -> SecretStr:
        key = value.get_secret_value().strip()
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise ValueError("expects the key alone: one word, no spaces or quotes around it")
        return SecretStr(key)

    @field_validator("base_url")
    @classmethod
    def _origin_only(cls, value: str) -> str:
        problem = "expects an origin like https://api.wavespeed.ai, without a path"
        try:
            parts = urlsplit(value)
            origin = f"{parts.scheme}://{parts.netloc}".lower()
            sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and "@" not in parts.netloc
        except ValueError:
            raise ValueError(problem) from None
        if not sound or parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError(problem)
        return origin

    @property
    def pace(self) -> Pace:
        """The tier's numbers, with the operator's own in their place."""
        tier = TIERS[self.tier]
        return Pace(
            per_minute=self.images_per_minute or tier.per_minute,
            at_once=self.concurrency or tier.at_once,
            lanes=self.submit_lanes or tier.lanes,
            looks=tier.looks,
        )

    @property
    def max_picture_bytes(self) -> int:
        return int(self.max_picture_mb * 1024 * 1024)
