"""Settings: the table, where values come from, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tieline.config import SECTIONS, SETTINGS, LogFormat, Settings, UnknownPeers, load_settings, rtp_capacity
from tieline.errors import ConfigurationError


def write(folder: Path, text: str) -> Path:
    file = folder / "tieline.toml"
    file.write_text(text)
    return file


def refusal(file: Path | None = None, **environ: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(file, environ=environ, directory=Path("/nonexistent"))
    return caught.value


def test_the_table_holds_every_field_once() -> None:
    fields = {
        f"{section}.{field.name}"
        for section, record in SECTIONS.items()
        for field in msgspec.structs.fields(record)
    }
    assert {row.key for row in SETTINGS} == fields
    assert len({row.env for row in SETTINGS}) == len(SETTINGS)
    assert {field.name for field in msgspec.structs.fields(Settings)} == {*SECTIONS, "source"}


@pytest.mark.parametrize("row", SETTINGS, ids=lambda row: row.key)
def test_every_row_is_complete(row: object) -> None:
    assert row.description.endswith((".", ")")) or ";" in row.description  # type: ignore[attr-defined]
    assert row.kind  # type: ignore[attr-defined]


def test_defaults_hold_together(tmp_path: Path) -> None:
    assert load_settings(environ={}, directory=tmp_path) == Settings()


def test_the_file_in_the_directory_is_found(tmp_path: Path) -> None:
    file = write(
        tmp_path, '[http]\nport = 9000\n[sip]\nunknown_peers = "drop"\n[rtp]\nsilence_timeout_s = 5\n'
    )
    settings = load_settings(environ={}, directory=tmp_path)
    assert (settings.http.port, settings.sip.unknown_peers, settings.source) == (
        9000,
        UnknownPeers.DROP,
        file,
    )
    assert settings.rtp.silence_timeout_s == 5.0


def test_the_environment_wins_over_the_file_and_overrides_over_both(tmp_path: Path) -> None:
    write(tmp_path, "[http]\nport = 9000\n")
    environ = {"TIELINE_HTTP_PORT": "9001", "TIELINE_LOG_FORMAT": "json", "TIELINE_LOG_PERSONAL_DATA": "on"}
    settings = load_settings(environ=environ, directory=tmp_path)
    assert (settings.http.port, settings.log.format, settings.log.personal_data) == (
        9001,
        LogFormat.JSON,
        True,
    )
    assert load_settings(environ=environ, directory=tmp_path, overrides={"http.port": 9002}).http.port == 9002


def test_an_empty_variable_unsets_what_may_be_unset(tmp_path: Path) -> None:
    write(tmp_path, '[sip]\nadvertised_host = "192.0.2.1"\n')
    settings = load_settings(environ={"TIELINE_SIP_ADVERTISED_HOST": ""}, directory=tmp_path)
    assert settings.sip.advertised_host is None


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[http]\nprot = 1\n", 2, "unknown setting http.prot; did you mean http.port?"),
        ("[htpp]\nport = 1\n", 1, "unknown section htpp; did you mean http?"),
        ("\n[sip]\nport_first = 30000\n", 3, "did you mean rtp.port_first or test_calls.port_first?"),
        ("[zzz]\n", 1, "see `tieline settings`"),
        ("http = 5\n", 1, "[http] must be a table"),
        ("[http]\nhost = '0.0.0.0'\nport = 'many'\n", 3, "http.port: 'many' is not good here"),
        ("http.port = 70000\n", 1, "http.port: 70000"),
        ("[server]\ndrain_timeout_s = inf\n", 2, "a finite number"),
        ("[server]\ndefault_region = 'de'\n", 2, "server.default_region"),
        ("[log]\nlevel = 'loud'\n", 2, "debug | info | warning | error"),
        ("[log]\nlevel = 3\n", 2, "log.level"),
        ("[http\nport = 1\n", 1, "not valid TOML"),
        ("[http]\nport = 1\nport = 2\n", 3, "not valid TOML"),
    ],
)
def test_faults_name_file_line_and_key(tmp_path: Path, text: str, line: int, words: str) -> None:
    file = write(tmp_path, text)
    error = refusal(file)
    assert words in error.message
    assert error.message.startswith(f"{file}:{line}: ")
    assert (error.fields["file"], error.fields["line"]) == (str(file), line)


def test_all_faults_at_once(tmp_path: Path) -> None:
    file = write(tmp_path, "[http]\nprot = 1\nport = -1\n[log]\nlevel = 'x'\n")
    assert len(refusal(file, TIELINE_SIP_UDP_PORT="x").message.splitlines()) == 4


def test_a_missing_and_an_unreadable_file(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / "none.toml").message
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    assert "not UTF-8" in refusal(tmp_path / "bytes.toml").message


def test_the_environment_is_checked_too() -> None:
    assert "did you mean TIELINE_HTTP_PORT?" in refusal(TIELINE_HTTP_PROT="1").message
    assert "environment variable TIELINE_HTTP_PORT: http.port" in refusal(TIELINE_HTTP_PORT="x").message
    load_settings(
        environ={"TIELINE_CONFIG": "x", "TIELINE": "x", "OTHER": "x"}, directory=Path("/nonexistent")
    )


def test_an_unknown_override() -> None:
    with pytest.raises(ConfigurationError, match=r"option http\.prot: unknown setting"):
        load_settings(environ={}, directory=Path("/nonexistent"), overrides={"http.prot": 1})


def test_a_port_range_smaller_than_the_call_limit_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, "[rtp]\nport_first = 20000\nport_last = 20099\n[server]\nmax_calls = 51\n")
    error = refusal(file)
    assert "carries 50 calls" in error.message
    assert error.message.startswith(f"{file}:3: ")
    assert load_settings(file, environ={"TIELINE_SERVER_MAX_CALLS": "50"}).server.max_calls == 50


def test_other_contradictions(tmp_path: Path) -> None:
    assert "below rtp.port_first" in refusal(write(tmp_path, "[rtp]\nport_last = 2000\n")).message
    both_off = "[sip]\nudp_host = ''\ntcp_host = ''\n"
    assert "all off" in refusal(write(tmp_path, both_off)).message
    certificate = "tls_certificate = 'own.pem'\n"
    assert load_settings(write(tmp_path, both_off + certificate), environ={}).sip.tls_port == 5061
    lone = refusal(write(tmp_path, "[sip]\ntls_client_key = 'a'\n")).message
    assert "sip.tls_client_key: means nothing without sip.tls_client_certificate" in lone
    assert "agent.max_runners" in refusal(write(tmp_path, "[agent]\nwarm_runners = 99\n")).message
    assert (
        "studio.trusted_proxies"
        in refusal(write(tmp_path, '[studio]\ntrusted_proxies = "10.0.0.0/8, proxy"\n')).message
    )


@pytest.mark.parametrize(
    ("first", "last", "calls"), [(20000, 20001, 1), (20001, 20003, 1), (20000, 20002, 2)]
)
def test_rtp_capacity(first: int, last: int, calls: int) -> None:
    rtp = msgspec.structs.replace(Settings().rtp, port_first=first, port_last=last)
    assert rtp_capacity(rtp) == calls
