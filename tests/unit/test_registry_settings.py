"""The settings of registries: what is told at the start, and that no password is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.settings import Settings, SettingsError, read
from tests.support.canaries import canary, planted

HUB = '[registries.hub]\nhost = "docker.io"\n'
COMPANY = '[registries.company]\nhost = "registry.example.com:5000"\n'
CANARY = canary("registry-password")


def _read(tmp_path: Path, toml: str, **environment: str) -> Settings:
    file = tmp_path / "settings.toml"
    file.write_text(toml)
    return read({"SHIPKEEPER_SETTINGS": str(file), "SHIPKEEPER_STATE": str(tmp_path), **environment})


def _refused(tmp_path: Path, toml: str, **environment: str) -> str:
    with pytest.raises(SettingsError) as refused:
        _read(tmp_path, toml, **environment)
    return str(refused.value)


def test_a_registry_is_read(tmp_path: Path) -> None:
    """A host is enough; everything may be pushed there and every tag be moved unless something is said."""
    made = _read(tmp_path, COMPANY + 'namespace = "team"\nimmutable = ["v*"]\n' + HUB)
    company = made.registries["company"]
    assert (company.host, company.namespace, company.immutable) == (
        "registry.example.com:5000",
        "team",
        ("v*",),
    )
    assert company.repositories == ("*",)
    assert list(made.registries) == ["company", "hub"]
    assert made.docker_config is None


def test_passwords_come_from_the_environment_and_are_not_shown(tmp_path: Path) -> None:
    """A variable, or the file that its `_FILE` names, holds the password; no dump and no text of settings does."""
    word = planted(tmp_path) / "word"
    word.write_text(f"{CANARY}\n")
    toml = COMPANY + 'username = "bot"\npassword_env = "COMPANY_WORD"\n'
    for environment in (
        {"COMPANY_WORD": CANARY},
        {"COMPANY_WORD_FILE": str(word)},
    ):
        made = _read(tmp_path, toml, **environment)
        assert made.registry_passwords["company"].get_secret_value() == CANARY
        assert CANARY not in f"{made!r} {made} {made.model_dump()} {made.model_dump_json()}"


def test_dockers_own_file_is_found(tmp_path: Path) -> None:
    """Where Docker's command line keeps its logins: DOCKER_CONFIG, else the home directory."""
    assert _read(tmp_path, "", HOME="/home/ann").docker_config == Path("/home/ann/.docker/config.json")
    made = _read(tmp_path, "", HOME="/home/ann", DOCKER_CONFIG="/etc/docker-cli")
    assert made.docker_config == Path("/etc/docker-cli/config.json")


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("[registries.company]\n", "registries.company.host: Field required"),
        (COMPANY + "imutable = []", "registries.company.imutable: there is no such key; did you mean immutable?"),
        (COMPANY + f'password = "{CANARY}"', "registries.company.password: there is no such key; did you mean"),
        ('[registries.c]\nhost = "https://registry.example.com"', "registries.c.host: give a host"),
        ('[registries.c]\nhost = "registry.example.com/team"', "registries.c.host: give a host"),
        ('[registries.c]\nhost = "registry.example.com:0"', "registries.c.host: give a host"),
        ('[registries."a b"]\nhost = "a.b"', "is no name for a registry"),
        (COMPANY + 'namespace = "Team"', "registries.company.namespace: give a path of lower-case words"),
        (COMPANY + 'namespace = "team/"', "registries.company.namespace: give a path of lower-case words"),
        (COMPANY + 'tag_pattern = "v["', "registries.company.tag_pattern: is no regular expression"),
        (COMPANY + 'credential_helper = "../x"', "registries.company.credential_helper: give what stands"),
        (COMPANY + 'username = "bot"', "`username` needs its password"),
        (COMPANY + 'password_file = "/etc/hostname"', "`password_file` needs the `username`"),
        (COMPANY + 'username = "bot"\ncredential_helper = "pass"', "helpers and Docker’s file know the user"),
        (
            COMPANY + 'username = "bot"\npassword_env = "W"\npassword_file = "/etc/hostname"',
            "one of password_env and password_file; keep one",
        ),
        (COMPANY + "docker_config = true\ncredential_helper = 'pass'", "keep one"),
        (COMPANY + f'username = "bot"\npassword_file = "/{CANARY}"', "`password_file` names no file"),
        (COMPANY + f'username = "bot"\npassword_file = "{CANARY * 20}"', "`password_file` names no file"),
        (COMPANY + 'tag_pattern = "a{99999999999}"', "registries.company.tag_pattern: is no regular expression"),
        (COMPANY + f'tag_pattern = "{"(" * 5000}{")" * 5000}"', "tag_pattern: is no regular expression"),
        ("deep = " + "[" * 5000, "is not TOML"),
        ("long = " + "9" * 5000, "is not TOML"),
        (COMPANY + f'username = "bot"\npassword_env = "{CANARY}"', "password_env: the variable that it names"),
        (COMPANY + 'ca_file = "/nowhere.pem"', "`ca_file` names no file"),
        (COMPANY + 'client_key = "/etc/hostname"', "`client_key` needs the `client_cert`"),
        (COMPANY + 'ca_file = "/etc/hostname"\ninsecure_http = true', "`insecure_http` goes without TLS"),
        (COMPANY + '[registries.b]\nhost = "Registry.example.com:5000"', "company and b have the same host"),
        (COMPANY + "default = true\n" + HUB + "default = true", "only one can be the default, not company and hub"),
    ],
)  # fmt: skip
def test_nonsense_is_told(tmp_path: Path, toml: str, words: str) -> None:
    """Each kind of mistake is refused at the start with its place, and without what may be a secret."""
    said = _refused(tmp_path, toml, W="word")
    assert words in said
    assert CANARY not in said
