"""Settings come from the environment, reach child processes unchanged, and refuse with one sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from storage.settings import Settings, SettingsInvalid, source_build, variable

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(variable(field), raising=False)


def test_without_any_variable_everything_is_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.load()
    assert settings.mongodb_url is None
    assert settings.redis_url is None
    assert settings.data_dir == tmp_path / ".rookery"
    assert settings.keys == str(tmp_path / ".rookery" / "keys.json")
    assert settings.public_url == "http://127.0.0.1:8000"
    assert (settings.http_host, settings.partitions, settings.hosts) == ("127.0.0.1", 64, 2)
    assert settings.build == source_build()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:9000"),
        ("::1", "http://[::1]:9000"),
        ("api.local", "http://api.local:9000"),
    ],
)
def test_the_public_address_follows_host_and_port(host: str, url: str) -> None:
    assert Settings.load(http_host=host, http_port=9000).public_url == url
    assert (
        Settings.load(http_host=host, public_url="https://shop.example/").public_url == "https://shop.example"
    )


def test_overrides_win_over_variables_and_none_means_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOKERY_HTTP_PORT", "9000")
    monkeypatch.setenv("REDIS_URL", "redis://one:6379/0")
    monkeypatch.setenv("ROOKERY_HOSTS", "")  # empty is unset
    settings = Settings.load(http_port=None, redis_url="redis://two:6379/0")
    assert settings.http_port == 9000
    assert settings.redis_url == "redis://two:6379/0"
    assert settings.hosts == 2


def test_a_child_process_elsewhere_gets_the_same_settings(tmp_path: Path) -> None:
    settings = Settings.load(
        mongodb_url="mongodb://127.0.0.1:1/rookery",
        redis_url="redis://127.0.0.1:2/0",
        data_dir=tmp_path / "data",
        http_port=9000,
        sandbox_url="http://127.0.0.1:3",
        allow_lossy_redis=True,
        dedicated=0,
        build="v1",
        log_level="DEBUG",
    )
    program = "from storage.settings import Settings; print(Settings.load().model_dump_json())"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ROOKERY_")}
    child = subprocess.run(
        [sys.executable, "-c", program],
        cwd="/",
        env=clean | {"PYTHONPATH": str(ROOT)} | settings.env(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert Settings.model_validate_json(child.stdout) == settings


def test_only_a_given_build_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "ROOKERY_BUILD" not in Settings.load().env()
    monkeypatch.setenv("ROOKERY_BUILD", "v1.2")
    assert Settings.load().env()["ROOKERY_BUILD"] == "v1.2"


def test_addresses_and_keys_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.load(
        mongodb_url="mongodb://u:hunter2@h", redis_url="redis://:hunter2@h", keys='{"blind": "hunter2"}'
    )
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings)

    monkeypatch.setenv("MONGODB_URL", "mysql://u:hunter2@h")
    monkeypatch.setenv("REDIS_URL", "hunter2")
    with pytest.raises(SettingsInvalid) as refused:
        Settings.load()
    assert "hunter2" not in str(refused.value)
    assert "MONGODB_URL wants an address that starts with mongodb://" in str(refused.value)
    assert "REDIS_URL wants an address that starts with redis://" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "wants"),
    [
        ("ROOKERY_HTTP_PORT", "abc", "integer"),
        ("ROOKERY_HTTP_PORT", "70000", "less than or equal to 65535"),
        ("ROOKERY_PARTITIONS", "0", "greater than or equal to 1"),
        ("ROOKERY_HOSTS", "1.5", "integer"),
        ("ROOKERY_DEDICATED", "-1", "greater than or equal to 0"),
        ("ROOKERY_LOG_LEVEL", "chatty", "'debug', 'info', 'warning' or 'error'"),
        ("ROOKERY_PUBLIC_URL", "shop.example", "http://127.0.0.1:8000"),
        ("ROOKERY_SANDBOX_URL", "http://127.0.0.1:port", "Port could not be cast"),
        ("ROOKERY_ALLOW_LOSSY_REDIS", "maybe", "boolean"),
        ("ROOKERY_BUILD", "a b", "match"),
    ],
)
def test_a_bad_value_is_named_with_what_is_wanted(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, wants: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsInvalid) as refused:
        Settings.load()
    text = str(refused.value)
    assert text.startswith(f"{name} ({value!r}) ")
    assert wants in text
    assert text.endswith(".")
    assert "\n" not in text


@pytest.mark.parametrize("keys", ["sealing-key\nof-another-form", "k" * 2000])
def test_keys_that_are_neither_path_nor_json_are_refused_and_not_shown(keys: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        Settings.load(keys=keys)
    assert str(refused.value) == "ROOKERY_KEYS wants the path of a key file, or its JSON text."


def test_the_text_of_a_key_file_may_have_space_around_it() -> None:
    assert Settings.load(keys='\n {"version": 1}\n').keys == '{"version": 1}'
