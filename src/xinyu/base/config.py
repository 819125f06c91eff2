"""Every setting of the product, typed, with its default, unit and meaning. One model for both forms.

Read from a YAML file (`--config`), then from the environment (`XINYU_HTTP__PORT=8080`: two underscores between the
levels), then from command-line options; the later wins. An unknown key is an error that names it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict


class ConfigError(Exception):
    """The configuration cannot be used; the text is one line for the operator."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HttpSettings(_Section):
    """The HTTP gateway."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    # A page asks GET /config.json where the WebSocket is; "" = the same host name, the WebSocket gateway's port.
    public_websocket_url: str = ""
    max_body_bytes: int = Field(1024 * 1024, ge=1024)
    header_timeout_s: float = Field(10.0, gt=0)
    body_timeout_s: float = Field(15.0, gt=0)
    # Page origins that may call the API and open WebSockets; `*` stands for any port or sub-name.
    allowed_origins: tuple[str, ...] = ("http://127.0.0.1:*", "http://localhost:*")


class WebSocketSettings(_Section):
    """The WebSocket gateway and its connection engine."""

    host: str = "127.0.0.1"
    port: int = Field(8081, ge=0, le=65535)
    # Processes that hold connections, each a gateway of its own behind the one port; 1 = the server's own process.
    # `connections_per_user` and the limits of sending count in each by itself.
    workers: int = Field(1, ge=1, le=256)
    max_message_bytes: int = Field(256 * 1024, ge=1024, le=1 << 30)
    max_fragments: int = Field(1024, ge=1, le=1 << 30)
    handshake_timeout_s: float = Field(10.0, gt=0)
    login_timeout_s: float = Field(10.0, gt=0)
    heartbeat_s: float = Field(30.0, gt=0)
    # Contract: ws-events. Three missed pings of the reference client fit; browsers slow hidden tabs, so not below 90.
    read_timeout_s: float = Field(120.0, gt=0)
    in_flight_per_connection: int = Field(64, ge=1)
    backlog_bytes: int = Field(256 * 1024, ge=4096)
    slow_consumer_timeout_s: float = Field(30.0, gt=0)
    connections_per_user: int = Field(64, ge=1)


class AccountSettings(_Section):
    """Who may come in."""

    token_ttl_s: int = Field(7 * 86400, ge=60)
    # Off: no code is needed, codes go to the log and into the answer, so that a newcomer registers at once.
    verify_mobile: bool = False
    # argon2id (RFC 9106). Tests lower it.
    argon2_time_cost: int = Field(3, ge=1)
    argon2_memory_kib: int = Field(65536, ge=8)
    argon2_parallelism: int = Field(4, ge=1)


class MessageSettings(_Section):
    """Rules of sending."""

    require_friendship: bool = True
    # The text that the acceptor of a contact request sends by accepting; "" = none.
    greeting: str = "I have accepted your request. Let's chat!"
    revoke_window_s: int = Field(120, ge=0)
    max_text_characters: int = Field(16_384, ge=1)
    max_group_members: int = Field(500, ge=2)


class LimitSettings(_Section):
    """Rates (contract: http-api). Repeats by a client that retries must fit."""

    sends_per_s: float = Field(100.0, gt=0)
    send_burst: int = Field(300, ge=1)
    entries_per_minute: int = Field(120, ge=1)


class LogSettings(_Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class Config(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(env_prefix="XINYU_", env_nested_delimiter="__", extra="forbid", frozen=True)

    data_directory: Path = Path("data")
    # Zone of the texts that the legacy surface calls times; one for the whole cluster.
    time_zone: str = Field(default_factory=lambda: local_time_zone())  # noqa: PLW0108 (defined below)
    http: HttpSettings = HttpSettings()
    websocket: WebSocketSettings = WebSocketSettings()
    accounts: AccountSettings = AccountSettings()
    messages: MessageSettings = MessageSettings()
    limits: LimitSettings = LimitSettings()
    log: LogSettings = LogSettings()

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"{value!r} is not an IANA time zone")
        return value

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # load_config merges file, environment and command line itself, so that a file can be overridden key by key.
        return (init_settings,)


def local_time_zone() -> str:
    """The machine's IANA zone, UTC where it cannot be told."""
    try:
        target = Path("/etc/localtime").resolve()
        name = str(target).split("/zoneinfo/", 1)[1]
    except (OSError, IndexError):
        return "UTC"
    return name if name in available_timezones() else "UTC"


def load_config(file: Path | None = None, overrides: dict[str, Any] | None = None) -> Config:
    """Reads file, environment and `overrides` (nested like the model). Raises ConfigError with one line."""
    values: dict[str, Any] = {}
    if file is not None:
        try:
            loaded = yaml.safe_load(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"cannot read {file}: {error.strerror}") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigError(f"{file} is not YAML: {' '.join(str(error).split())}") from None
        if loaded is not None:
            if not isinstance(loaded, dict):
                raise ConfigError(f"{file} must hold a mapping")
            values = loaded
    try:
        environment = EnvSettingsSource(Config)()
        return Config(**_merge(_merge(values, environment), overrides or {}))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "configuration"
        problem = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
        raise ConfigError(f"{where}: {problem}") from None
    except Exception as error:  # pydantic-settings' own SettingsError: an environment value that is no JSON
        raise ConfigError(" ".join(str(error).split())) from None


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
