"""The configuration's sources, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from xinyu.base.config import Config, ConfigError, load_config, local_time_zone


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("XINYU_"):
            monkeypatch.delenv(name)


def written(directory: Path, text: str) -> Path:
    path = directory / "xinyu.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_later_sources_win_key_by_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, "http: {port: 1, host: 0.0.0.0}\nmessages: {greeting: ''}\n")
    monkeypatch.setenv("XINYU_HTTP__PORT", "2")
    monkeypatch.setenv("XINYU_HTTP__MAX_BODY_BYTES", "4096")
    config = load_config(file, {"http": {"max_body_bytes": 8192}})
    assert (config.http.host, config.http.port, config.http.max_body_bytes) == ("0.0.0.0", 2, 8192)
    assert config.messages.greeting == ""
    assert config.websocket == Config().websocket


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("htpp: {port: 1}", "htpp: unknown key"),
        ("http: {prot: 1}", "http.prot: unknown key"),
        ("http: {port: 70000}", "http.port"),
        ("http: {port: many}", "http.port"),
        ("time_zone: Atlantis/Capital", "time_zone"),
        ("- 1", "must hold a mapping"),
        ("http: [", "is not YAML"),
        ("1: 2", "keywords"),
    ],
)
def test_a_bad_file_is_told_in_one_line_that_names_the_key(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, text))
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bad_environment_names_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XINYU_HTTP__PROT", "1")
    with pytest.raises(ConfigError, match=r"http\.prot: unknown key"):
        load_config()


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(tmp_path / "missing.yaml")
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not YAML"):
        load_config(tmp_path / "binary.yaml")
    (tmp_path / "empty.yaml").write_text("")
    assert load_config(tmp_path / "empty.yaml") == load_config()


def test_the_zone_is_one_of_the_machine_s() -> None:
    assert load_config(overrides={"time_zone": "Asia/Shanghai"}).zone.key == "Asia/Shanghai"
    assert load_config().time_zone == local_time_zone()
