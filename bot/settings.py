"""The operator's choices, read from the environment and from a `.env` file beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bot.errors import BadSettings

SHORTEST_KEY = 32
"""Characters. A key is used as it is, without the slow derivation that a password would need."""
SHORTEST_TOKEN = 16

SettingsT = TypeVar("SettingsT", bound=BaseSettings)


class Settings(BaseSettings):
    """Everything that is Easel's own. Adapters have their own settings, under their own prefixes."""

    model_config = SettingsConfigDict(
        env_prefix="EASEL_", env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    platforms: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Chat platforms to serve, e.g. `discord`. Empty: those that have a token."
    )
    backend: str = Field(default="wavespeed", pattern=r"^[a-z]+$", description="The image API to draw with.")
    data_dir: Path = Field(default=Path("data"), description="Where the database and the pictures are kept.")
    database_url: str = Field(
        default="", description="`sqlite:///path` or `postgresql://…`. Empty: `easel.sqlite` in the data folder."
    )
    slots: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Processes that share one Postgres, each with a slot; the same in all of them.",
    )
    slot: int = Field(default=0, ge=0, description="Which of them this is, counted from 0.")
    gateways: int = Field(
        default=0,
        ge=0,
        description="How many of the slots receive commands, from slot 0 on; the others only draw. 0: all of them.",
    )
    role: Literal["all", "gateway", "worker"] = Field(
        default="all",
        description="Receive commands and draw · only receive them · only draw. Other than `all` needs Postgres.",
    )
    adopt_after: float = Field(
        default=30.0,
        ge=5,
        le=3600,
        description="Seconds of silence after which a peer takes over a process's jobs; the same in all of them.",
    )
    http_host: str = Field(
        default="127.0.0.1",
        description="Address that the HTTP port listens on: health, metrics, playground, Slack over HTTP.",
    )
    http_port: int = Field(default=8040, ge=0, le=65535, description="The HTTP port; 0 takes a free one and prints it.")
    web_token: SecretStr = Field(
        default=SecretStr(""),
        description="Asked by everything but the health checks and Slack's signed requests when bound beyond this machine.",
    )
    public_url: str = Field(
        default="",
        description="Where the HTTP port is reached from outside, e.g. `https://easel.example.org` (a proxy's address).",
    )
    secret_key: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        description="Encrypts the tokens of workspaces in the database: `openssl rand -hex 32`. To change it: new,old.",
    )

    limit_per_person: int = Field(default=3, ge=1, le=1000, description="Jobs of one person that run at once.")
    queue_per_person: int = Field(default=20, ge=0, le=10000, description="Jobs of one person that may wait.")
    limit_per_day: int = Field(default=100, ge=0, description="Pictures per person in any 24 hours.")
    budget_per_day: float = Field(
        default=10.0, ge=0, description="US$ in any 24 hours, for the whole bot: a hard stop."
    )
    alert_url: SecretStr = Field(
        default=SecretStr(""), description="A Discord or Slack webhook that is told when the operator has to act."
    )

    pictures_days: int = Field(default=30, ge=1, description="Days that pictures are kept.")
    pictures_max_gb: float = Field(default=5.0, gt=0, description="Gigabytes of pictures kept; the oldest go first.")
    jobs_days: int = Field(
        default=365,
        ge=1,
        description="Days that a job is remembered (in `/history`); at the least as long as pictures.",
    )
    embed_parameters: bool = Field(default=True, description="Write prompt, seed and so on into public PNG files.")

    nsfw: Literal["spoiler", "age_restricted", "block"] = Field(
        default="spoiler",
        description="Flagged pictures: spoiler them · only in age-restricted channels, withhold elsewhere · withhold.",
    )
    unknown_nsfw: Literal["spoiler", "show"] = Field(
        default="spoiler", description="What to do with a picture that the API did not judge."
    )
    safety_checker: bool = Field(default=True, description="Let the API judge its pictures (v2).")

    lora_file: Path | None = Field(default=None, description="Your own `loras.toml` in place of the starter set.")
    lora_paths: Literal["library", "huggingface", "any"] = Field(
        default="huggingface",
        description="LoRAs people may name: the library · also `owner/name` · also https addresses.",
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="How much is logged.")

    @field_validator("platforms", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip().lower() for name in value.split(",") if name.strip())
        return value

    @field_validator("secret_key", mode="before")
    @classmethod
    def _keys(cls, value: object) -> object:
        return tuple(key.strip() for key in value.split(",") if key.strip()) if isinstance(value, str) else value

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(key.get_secret_value()) < SHORTEST_KEY for key in value):
            raise ValueError(f"each key has at least {SHORTEST_KEY} characters; `openssl rand -hex 32` makes one")
        return value

    @field_validator("public_url")
    @classmethod
    def _is_origin(cls, value: str) -> str:
        if value and (not value.startswith(("http://", "https://")) or value.count("/") != 2 + value.endswith("/")):
            raise ValueError("an address without a path, such as https://easel.example.org")
        return value.rstrip("/")

    @field_validator("web_token")
    @classmethod
    def _not_guessed(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < SHORTEST_TOKEN:
            raise ValueError(f"at least {SHORTEST_TOKEN} characters; `openssl rand -hex 16` makes one")
        return value

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if value and not value.startswith(("sqlite:///", "postgresql://", "postgres://", "postgresql+psycopg://")):
            raise ValueError("starts with sqlite:/// or postgresql://")
        return value

    @field_validator("slots")
    @classmethod
    def _shareable(cls, value: int, info: ValidationInfo) -> int:
        if value > 1 and not _is_postgres(info.data.get("database_url", "")):
            raise ValueError("several processes need EASEL_DATABASE_URL=postgresql://…")
        return value

    @field_validator("slot")
    @classmethod
    def _one_of_them(cls, value: int, info: ValidationInfo) -> int:
        if value >= (slots := info.data.get("slots", value + 1)):
            raise ValueError(f"at most {slots - 1}, since EASEL_SLOTS is {slots}")
        return value

    @field_validator("gateways")
    @classmethod
    def _some_of_them(cls, value: int, info: ValidationInfo) -> int:
        if value > (slots := info.data.get("slots", value)):
            raise ValueError(f"at most {slots}, since EASEL_SLOTS is {slots}")
        return value

    @field_validator("role")
    @classmethod
    def _apart(cls, value: str, info: ValidationInfo) -> str:
        if value != "all" and not _is_postgres(info.data.get("database_url", "")):
            raise ValueError("roles need EASEL_DATABASE_URL=postgresql://…")
        slot = info.data.get("slot", 0)
        receivers = _receivers(info.data.get("gateways", 0), info.data.get("slots", 1))
        if (value == "worker") is (slot < receivers):
            raise ValueError(
                f"slots 0 to {receivers - 1} receive commands and only those after them are workers; "
                "EASEL_GATEWAYS says how many receive"
            )
        return value

    @property
    def receivers(self) -> int:
        """How many processes receive commands: slots 0 to this, less one."""
        return _receivers(self.gateways, self.slots)

    @property
    def open_to_others(self) -> bool:
        """Whether the HTTP port can be reached from beyond this machine."""
        return bool(self.public_url) or self.http_host not in ("127.0.0.1", "::1", "localhost")

    @property
    def pictures_dir(self) -> Path:
        return self.data_dir / "pictures"

    @property
    def database(self) -> str:
        """The SQLAlchemy URL of our own tables."""
        url = self.database_url or f"sqlite:///{self.data_dir / 'easel.sqlite'}"
        scheme, rest = url.split("://", 1)
        return ("sqlite://" if scheme == "sqlite" else "postgresql+psycopg://") + rest

    @property
    def engine_database(self) -> str:
        """The URL of the durable engine's tables: a SQLite file of its own, or the same Postgres."""
        if self.database.startswith("postgresql"):
            return self.database
        beside = Path(self.database.split(":///", 1)[1]).parent
        return f"sqlite:///{beside / 'engine.sqlite'}"


def _receivers(gateways: int, slots: int) -> int:
    return gateways or slots


def _is_postgres(url: str) -> bool:
    return url.startswith("postgres")


def read(*kinds: type[SettingsT]) -> list[SettingsT]:
    """Read every kind of settings. Raises BadSettings with all problems of all kinds in one message."""
    found: list[SettingsT] = []
    problems: list[str] = []
    for kind in kinds:
        try:
            found.append(kind())
        except ValidationError as error:
            problems += [_problem(dict(item), kind) for item in error.errors(include_url=False)]
    if problems:
        raise BadSettings("\n".join(["These settings need a change:", *(f"  {line}" for line in problems)]))
    return found


def _problem(item: Mapping[str, Any], kind: type[BaseSettings]) -> str:
    """`EASEL_HTTP_PORT: should be at most 65535 (Their port; …)`, never with the value: it may be a secret."""
    name = str(item["loc"][0]) if item["loc"] else ""
    variable = f"{kind.model_config.get('env_prefix', '')}{name}".upper()
    field = kind.model_fields.get(name)
    meant = f" ({field.description.rstrip('.')})" if field and field.description else ""
    if item["type"] == "missing":
        return f"{variable}: is missing{meant}"
    return f"{variable}: {item['msg'].removeprefix('Value error, ').removeprefix('Input ').rstrip('.')}{meant}"


def raw(variable: str) -> str:
    """A variable as it stands in the environment or else in `.env`, unread; empty if it is in neither."""
    from dotenv import dotenv_values

    return os.environ.get(variable) or dotenv_values(".env").get(variable) or ""
