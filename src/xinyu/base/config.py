"""Every setting of the product, typed, with its default, unit and meaning. One model for both forms.

Read from a YAML file (`--config`), then from the environment (`XINYU_HTTP__PORT=8080`: two underscores between the
levels), then from command-line options; the later wins. An unknown key is an error that names it.
"""

from __future__ import annotations

import ipaddress
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
    # A page asks GET /config.json where the WebSocket is; "" = the same host name, the WebSocket gateway's port; a path
    # ("/ws") = there on the page's own host and port.
    public_websocket_url: str = ""
    # Where clients reach this gateway, "https://im.example.org": what the addresses of uploaded files begin with. To be
    # set behind a proxy. "" = the Host of the upload where an allowed origin has it, else the address that it came to.
    public_url: str = Field("", max_length=128, pattern=r"^(https?://([0-9A-Za-z._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?)?$")
    max_body_bytes: int = Field(1024 * 1024, ge=1024)
    header_timeout_s: float = Field(10.0, gt=0)
    body_timeout_s: float = Field(15.0, gt=0)
    upload_timeout_s: float = Field(120.0, gt=0)
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
    # Members of large groups that a gateway knows at once, 16 bytes each; the talks that were quiet longest go first.
    members_held: int = Field(2_000_000, ge=1)


class AccountSettings(_Section):
    """Who may come in."""

    # Where the server's own keys lie (xinyu keys); unset = in the data directory. All processes of a cluster have the
    # same ones.
    keys_directory: Path | None = None
    token_ttl_s: int = Field(7 * 86400, ge=60)
    # Off: no code is needed to register; without an SMS service codes go to the log, and such that prove nothing into
    # the answer, so that a newcomer registers at once. A code that opens an account (forget_account, oauth_bind) is
    # always checked, and never answered.
    verify_mobile: bool = False
    # argon2id (RFC 9106). Tests lower it.
    argon2_time_cost: int = Field(3, ge=1)
    argon2_memory_kib: int = Field(65536, ge=8)
    argon2_parallelism: int = Field(4, ge=1)


class BotSettings(_Section):
    """Accounts of programs."""

    # That one user may have; 0 = there are none here.
    per_user: int = Field(20, ge=0, le=100)


class WebhookSettings(_Section):
    """Webhooks of bots. The server POSTs to what users name."""

    enabled: bool = False
    # Off: to public addresses only, on the ports of http and https. On: to every address that this machine reaches, on
    # any port; only where all who may have bots may reach them, too.
    private_addresses: bool = False
    # Of a delivery, its answer included.
    timeout_s: float = Field(10.0, gt=0, le=60)


class SmsSettings(_Section):
    """Codes by SMS, through the operator's own service (docs/http-api.md, "common")."""

    # Where a code is POSTed as JSON, "https://..."; "" = codes go to the log.
    webhook_url: str = Field("", pattern=r"^(https?://\S+)?$")
    # The HMAC-SHA256 key of X-XinYu-Signature; "" = unsigned.
    webhook_secret: str = ""
    # Clients give up after 5 s.
    timeout_s: float = Field(4.0, gt=0)


class MailSettings(_Section):
    """Codes by mail."""

    # The mail server; "" = codes go to the log, and a new mail address needs none.
    host: str = ""
    port: int = Field(587, ge=1, le=65535)
    # starttls (587), tls from the first byte (465), or none. Certificates are checked.
    security: Literal["starttls", "tls", "none"] = "starttls"
    # "" = no login.
    user: str = ""
    password: str = ""
    # Who writes: an address alone.
    sender: str = Field("xinyu@localhost", pattern=r"^[^@\s<>,]+@[^@\s<>,]+$")
    # Clients give up after 5 s.
    timeout_s: float = Field(4.0, gt=0)


class OAuthProvider(_Section):
    """An OpenID Connect provider at which users may log in."""

    # As the provider calls itself in <issuer>/.well-known/openid-configuration.
    issuer: str = Field(pattern=r"^https?://\S+$", max_length=255)
    client_id: str = Field(min_length=1)
    # "" = a public client, PKCE alone.
    client_secret: str = ""
    # The client's page /oauth/callback/<name>, as it was told to the provider.
    redirect_uri: str = Field(pattern=r"^https?://\S+$")
    scopes: tuple[str, ...] = ("openid", "profile")
    # Of each of the provider's answers; clients give up after 5 s, and a login needs up to three.
    timeout_s: float = Field(2.0, gt=0)


class MessageSettings(_Section):
    """Rules of sending."""

    require_friendship: bool = True
    # The text that the acceptor of a contact request sends by accepting; "" = none.
    greeting: str = "I have accepted your request. Let's chat!"
    revoke_window_s: int = Field(120, ge=0)
    edit_window_s: int = Field(86_400, ge=0)
    # Of one message; each text that it had is kept.
    max_edits: int = Field(20, ge=0, le=1_000)
    # In groups, where else only the owner and admins pin messages.
    members_may_pin: bool = False
    max_text_characters: int = Field(16_384, ge=1)
    max_group_members: int = Field(500, ge=2, le=100_000)
    # What one user may have, and a group. Past them: too_many_groups, too_many_admins.
    max_groups_owned: int = Field(500, ge=1)
    max_groups_joined: int = Field(2_000, ge=1, le=10_000)
    max_group_admins: int = Field(20, ge=0, le=500)
    # Groups with more members have no read receipts: all of their members are looked at for each question.
    receipts_up_to_members: int = Field(200, ge=0, le=1_000)
    # Groups with more members are pushed to by talk: the gateways know the members, and nobody names them.
    fan_out_by_talk_above: int = Field(500, ge=0)


class MediaSettings(_Section):
    """Files that users upload."""

    # Where they lie: one directory that all gateways and media rooms of a cluster share. Absent = `media` in the data
    # directory.
    directory: Path | None = None
    max_file_bytes: int = Field(100 * 1024 * 1024, ge=1024)
    max_picture_bytes: int = Field(20 * 1024 * 1024, ge=1024)
    # Width times height of a picture; four bytes each are needed while it is looked at, one picture at a time.
    max_picture_pixels: int = Field(40_000_000, ge=1, le=1_000_000_000)
    # Bytes of a part. One part must be through before clients give up (contract: http-api, "Uploads").
    shard_bytes: int = Field(1024 * 1024, ge=1024, le=64 * 1024 * 1024)
    unfinished_uploads_per_user: int = Field(20, ge=1)
    upload_expires_s: int = Field(86_400, ge=60)
    # Bodies that one gateway takes in at a time; the next one is told to come again.
    uploads_at_once: int = Field(128, ge=1)
    uploads_at_once_per_user: int = Field(8, ge=1)


class PreviewSettings(_Section):
    """Previews of links in messages. The server fetches what users name, from public addresses only."""

    enabled: bool = False
    # Of each user; such as are in the cache count, too.
    per_minute: int = Field(30, ge=1)
    # Of a page with its redirects. Clients give up after 5 s.
    timeout_s: float = Field(4.0, gt=0, le=30)


class EmoticonSettings(_Section):
    """Users' own collections of pictures."""

    # The list is answered as a whole.
    per_user: int = Field(200, ge=1, le=2_000)


class OrganizeSettings(_Section):
    """The organisation that the server belongs to (`xinyu organize import`)."""

    # Its page is shown, and its people see each other in it. Off: all of its lists are empty.
    enabled: bool = False


class NoteSettings(_Section):
    """What a user may write down for himself. What lies in the recycle bin counts."""

    notes_per_user: int = Field(1_000, ge=1, le=10_000)
    # Of a note's text in UTF-8; as JSON it must fit into http.max_body_bytes, too.
    max_note_bytes: int = Field(512 * 1024, ge=1024, le=1024 * 1024)
    # Of all texts together: what a search by keyword looks through at most.
    note_bytes_per_user: int = Field(32 * 1024 * 1024, ge=1024)
    classes_per_user: int = Field(100, ge=1, le=1_000)
    tags_per_user: int = Field(100, ge=1, le=1_000)
    tags_per_note: int = Field(20, ge=1, le=100)
    max_annex_bytes: int = Field(5 * 1024 * 1024, ge=1024)
    annexes_per_note: int = Field(20, ge=1, le=1_000)
    annex_bytes_per_user: int = Field(512 * 1024 * 1024, ge=1024)
    # How long the recycle bin keeps what was deleted.
    bin_days: int = Field(30, ge=1, le=3_650)


class LimitSettings(_Section):
    """Rates (contract: http-api). Repeats by a client that retries must fit."""

    sends_per_s: float = Field(100.0, gt=0)
    send_burst: int = Field(300, ge=1)
    entries_per_minute: int = Field(120, ge=1)


class DatabaseSettings(_Section):
    """Where the cluster stores. The embedded form has its SQLite file in the data directory and reads none of this."""

    # mysql://user:password@host:port/name, MySQL or MariaDB.
    url: str = "mysql://xinyu:xinyu@127.0.0.1:3306/xinyu"
    # Connections that carry sends of a message service; the pool has `connections` beside them. More than one are
    # for a disk that takes its time: they make batches smaller, and so a message dearer (docs/decisions/0014).
    lanes: int = Field(1, ge=1, le=64)
    connections: int = Field(8, ge=1, le=256)
    connect_timeout_s: float = Field(5.0, gt=0)
    statement_timeout_s: float = Field(10.0, gt=0)


class RedisSettings(_Section):
    """Routes, limits, tickets and caches of the cluster: nothing in it is missed when it is lost."""

    # redis://[user:password@]host:port/number, or rediss:// ; with `cluster`, any node of a Redis Cluster.
    url: str = "redis://127.0.0.1:6379/0"
    cluster: bool = False
    timeout_s: float = Field(1.0, gt=0)
    connections: int = Field(8, ge=1, le=256)
    # Names of everything of ours begin with it.
    prefix: str = Field("xinyu:", min_length=1)


class DiscoverySettings(_Section):
    """How processes of the cluster find each other (contract: discovery)."""

    # host:port[,host:port]; "" = only `addresses`.
    zookeeper: str = ""
    root: str = Field("sylar", pattern=r"^[0-9A-Za-z_.-]+$")
    domain: str = Field("im", pattern=r"^[0-9A-Za-z_.-]+$")
    session_timeout_s: float = Field(6.0, gt=0)
    # Fixed addresses ("host:port") of a service; they go before what ZooKeeper says.
    addresses: dict[str, tuple[str, ...]] = {}
    # Other names under which a service registers and is looked for, too (ours -> theirs).
    aliases: dict[str, str] = {}
    # How a service's instances share its calls, where the call names no key.
    balance: dict[str, Literal["round_robin", "weighted", "least_in_flight"]] = {}
    weight: int = Field(100, ge=0, le=10_000)


class RpcSettings(_Section):
    """Calls between processes."""

    # What all processes of a cluster share; needed where one listens beyond loopback.
    secret: str = ""
    # The address of this process that is told to others; "" = the one that it listens on, and for all addresses the
    # machine's own.
    advertise_host: str = ""
    # A Rock frame's payload is below it, as sent and inflated; a gRPC message is at most so long. At both ends alike.
    max_frame_bytes: int = Field(64 * 1024 * 1024, ge=64 * 1024, le=(1 << 31) - 1)
    # Rock payloads from this size are sent as gzip.
    gzip_min_bytes: int = Field(4096, ge=1)
    # Calls under way on one connection, counted by each end; past it they are refused as overloaded.
    max_in_flight: int = Field(20_000, ge=1)
    # How Rock frames are written, by all processes alike; "base" is for peers that know no trace id in a frame.
    dialect: Literal["trace", "base"] = "trace"


class StreamSettings(_Section):
    """Committed events in Redis Streams, for programs of others (docs/streams.md). The cluster's, in its Redis."""

    enabled: bool = False
    # Entries that the stream of each room keeps, about: the oldest go first, whether they were read or not.
    max_entries: int = Field(100_000, ge=1)


class OpsSettings(_Section):
    """Health, readiness and figures of a process, for those who run it (`xinyu.gateway.ops`). No login."""

    host: str = "127.0.0.1"
    # 0 = none. `xinyu serve` gives its workers the ports behind it.
    port: int = Field(0, ge=0, le=65535)


class LogSettings(_Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class Config(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(env_prefix="XINYU_", env_nested_delimiter="__", extra="forbid", frozen=True)

    data_directory: Path = Path("data")
    # Zone of the texts that the legacy surface calls times; one for the whole cluster.
    time_zone: str = Field(default_factory=lambda: local_time_zone())  # noqa: PLW0108 (defined below)
    # Networks ("10.0.0.0/8", "127.0.0.1") of the proxies whose X-Forwarded-For and -Proto are believed.
    trusted_proxies: tuple[str, ...] = ()
    http: HttpSettings = HttpSettings()
    websocket: WebSocketSettings = WebSocketSettings()
    accounts: AccountSettings = AccountSettings()
    sms: SmsSettings = SmsSettings()
    mail: MailSettings = MailSettings()
    # By the word that clients know them by ("github"); none = no such logins.
    oauth: dict[str, OAuthProvider] = {}
    messages: MessageSettings = MessageSettings()
    media: MediaSettings = MediaSettings()
    previews: PreviewSettings = PreviewSettings()
    bots: BotSettings = BotSettings()
    webhooks: WebhookSettings = WebhookSettings()
    emoticons: EmoticonSettings = EmoticonSettings()
    organize: OrganizeSettings = OrganizeSettings()
    notes: NoteSettings = NoteSettings()
    limits: LimitSettings = LimitSettings()
    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()
    discovery: DiscoverySettings = DiscoverySettings()
    rpc: RpcSettings = RpcSettings()
    streams: StreamSettings = StreamSettings()
    ops: OpsSettings = OpsSettings()
    log: LogSettings = LogSettings()

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"{value!r} is not an IANA time zone")
        return value

    @property
    def keys_directory(self) -> Path:
        return self.accounts.keys_directory or self.data_directory

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            ipaddress.ip_network(each, strict=False)
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
