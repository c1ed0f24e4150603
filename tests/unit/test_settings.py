"""The settings: read once, every error at once, secrets never shown, and an example that is true."""

from __future__ import annotations

import tomllib
from datetime import timedelta
from pathlib import Path

import pytest

from bot.kinds import HostName
from bot.settings import Settings, SettingsError, audit_key, example, read
from bot.stores.archive.names import is_safe_name

ROOT = Path(__file__).parents[2]


def _read(tmp_path: Path, toml: str = "", **environment: str) -> Settings:
    file = tmp_path / "settings.toml"
    file.write_text(toml)
    return read({"SHIPKEEPER_SETTINGS": str(file), "SHIPKEEPER_STATE": str(tmp_path), **environment})


def _refused(tmp_path: Path, toml: str = "", **environment: str) -> str:
    with pytest.raises(SettingsError) as refused:
        _read(tmp_path, toml, **environment)
    return str(refused.value)


def test_nothing_needs_to_be_set(tmp_path: Path) -> None:
    """Without a file everything has a default, below the state directory."""
    made = read({"SHIPKEEPER_STATE": str(tmp_path)})
    assert made.archive_path == tmp_path / "archive"
    assert made.database_url == f"sqlite:///{tmp_path}/shipkeeper.db"
    assert made.slack_api_url == "https://slack.com/api/"
    assert (made.roles, made.hosts, made.bot_token) == ({}, {}, None)
    assert made.stall_limit == timedelta(seconds=60)


def test_a_file_is_read(tmp_path: Path) -> None:
    """What the file says is what there is."""
    made = _read(
        tmp_path,
        '[slack]\ncommand_prefix = "x-"\n[hosts.h1]\naddress = "unix:///d.sock"\n'
        '[roles.ops]\nmembers = ["U012AB"]\nright = "operate"\n[limits]\nstall = 5\n',
    )
    assert made.slack.command_prefix == "x-"
    assert made.hosts["h1"].address == "unix:///d.sock"
    assert made.roles["ops"].members == ("U012AB",)
    assert made.stall_limit == timedelta(seconds=5)


def test_all_errors_are_told_together(tmp_path: Path) -> None:
    """Everything that is wrong in a file and the environment is in one answer, each with its place."""
    said = _refused(
        tmp_path,
        '[slak]\n[slack]\ncomand_prefix = "x"\n[limits]\nworkers = 0\nstall = "long"\n'
        '[roles.ops]\nmembers = ["ann"]\nright = "operate"\n[roles.dev]\nmembers = ["U012AB"]\n'
        '[hosts.h1]\nadress = "x"\n',
        SLACK_BOT_TOKEN_FILE=str(tmp_path / "missing"),
    )
    for words in (
        "slak: there is no such key; did you mean slack?",
        "slack.comand_prefix: there is no such key; did you mean command_prefix?",
        "limits.workers:",
        "limits.stall:",
        "roles.ops.members: 'ann' is not a Slack user id",
        "roles.dev: give either `right` or `commands`",
        "hosts.h1.adress: there is no such key; did you mean address?",
        "hosts.h1.address: Field required",
        "SLACK_BOT_TOKEN_FILE:",
    ):
        assert words in said, said
    assert said.count("\n") == 9


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("[slack", "is not TOML"),
        ("state = '/tmp'", "state: there is no such key"),
        ("bot_token = 'xoxb-1'", "bot_token: there is no such key"),
        ("[limits]\nxyz = 1", "limits.xyz: there is no such key; known are workers, stall, grace"),
        ("[slack]\ncommand_prefix = 'Über'", "slack.command_prefix"),
        ("[slack]\nlisten = 'nowhere'", "slack.listen: give an address and a port"),
        ("[slack]\nlisten = '127.0.0.1:65536'", "slack.listen: give an address and a port"),
        ("[slack]\nlisten = ':3000'", "slack.listen: give an address and a port"),
        ("archive = 5", "archive"),
        ("[roles.r]\nmembers = ['U1AB']\nright = 'admin'\ncommands = ['backup']", "not both"),
        ("[roles.r]\nmembers = ['U1AB']\nright = 'root'", "roles.r.right"),
        ("[roles.r]\nmembers = 'U1AB'\nright = 'view'", "roles.r.members"),
    ],
)
def test_one_error_is_told(tmp_path: Path, toml: str, words: str) -> None:
    """Each kind of mistake is refused with its place."""
    assert words in _refused(tmp_path, toml)


def test_files_that_are_no_text_are_told(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 in the settings or in a secret's file are an error with a name, no traceback."""
    file = tmp_path / "latin1"
    file.write_bytes(b'[slack]\nlisten = "\xfc"\n')
    with pytest.raises(SettingsError, match="SHIPKEEPER_SETTINGS"):
        read({"SHIPKEEPER_SETTINGS": str(file), "SHIPKEEPER_STATE": str(tmp_path)})
    assert "SLACK_APP_TOKEN_FILE" in _refused(tmp_path, SLACK_APP_TOKEN_FILE=str(file))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """A settings file that is named and not there is an error: nobody runs without the roles they wrote."""
    with pytest.raises(SettingsError, match="cannot be read"):
        read({"SHIPKEEPER_SETTINGS": str(tmp_path / "missing"), "SHIPKEEPER_STATE": str(tmp_path)})


@pytest.mark.parametrize(
    "name", ["SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", "SHIPKEEPER_DATABASE_URL"]
)
def test_each_variable_may_come_from_a_file(tmp_path: Path, name: str) -> None:
    """`<NAME>_FILE` gives the value without its line break; giving both is refused."""
    file = tmp_path / "value"
    file.write_text("hunter2 \n")
    given = _read(tmp_path, **{f"{name}_FILE": str(file)})
    values = (given.bot_token, given.app_token, given.signing_secret)
    found = [value.get_secret_value() for value in values if value] or [given.database_url]
    assert found == ["hunter2 "]
    both = _refused(tmp_path, **{f"{name}_FILE": str(file), name: "other"})
    assert f"{name} and {name}_FILE are both set" in both
    assert "hunter2" not in both


def test_directories_may_come_from_files(tmp_path: Path) -> None:
    """State and archive directories may be named by files as well; the environment wins over the settings."""
    file = tmp_path / "where"
    file.write_text("/somewhere\n")
    made = _read(tmp_path, '[archive]\npath = "/elsewhere"\n', SHIPKEEPER_ARCHIVE_FILE=str(file))
    assert made.archive_path == Path("/somewhere")
    assert read({"SHIPKEEPER_STATE_FILE": str(file)}).state == Path("/somewhere")


def test_the_settings_file_and_the_engine_may_be_named_by_files(tmp_path: Path) -> None:
    """SHIPKEEPER_SETTINGS and DOCKER_HOST follow the same rule as every other variable."""
    (tmp_path / "settings.toml").write_text("[limits]\nstall = 7\n")
    (tmp_path / "where").write_text(f"{tmp_path / 'settings.toml'}\n")
    (tmp_path / "engine").write_text("unix:///d.sock\n")
    files = {
        "SHIPKEEPER_SETTINGS_FILE": str(tmp_path / "where"),
        "DOCKER_HOST_FILE": str(tmp_path / "engine"),
    }
    made = read({"SHIPKEEPER_STATE": str(tmp_path), **files})
    assert made.stall_limit == timedelta(seconds=7)
    assert made.docker_host == "unix:///d.sock"


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    """No token, secret or database password is in the text of the settings, nor in what they dump."""
    made = _read(
        tmp_path,
        SLACK_BOT_TOKEN="xoxb-hunter2",
        SLACK_APP_TOKEN="xapp-hunter2",
        SLACK_SIGNING_SECRET="hunter2",
        SHIPKEEPER_DATABASE_URL="postgresql+psycopg://ann:hunter2@db/x",
    )
    assert "hunter2" not in f"{made!r} {made} {made.model_dump()} {made.model_dump_json()}"


@pytest.mark.parametrize(
    ("toml", "place"),
    [
        (
            "[runbooks.x]\ncommand = ['true']\ncontainers = ['web']\n"
            "[runbooks.x.parameters.p]\nsecret = true\nvariable = 'hunter2-prod'",
            "runbooks.x.parameters.p.variable",
        ),
        (
            "[runbooks.x]\ncommand = ['true']\ncontainers = ['web']\n"
            "[runbooks.x.parameters.p]\nsecret = true\nvariable = 9100022",
            "runbooks.x.parameters.p.variable",
        ),
        ("[registries.r]\nhost = 'r.example'\npassword_env = 9100022", "registries.r.password_env"),
    ],
)
def test_a_secret_in_the_place_of_its_name_is_not_told(tmp_path: Path, toml: str, place: str) -> None:
    """The key that is wrong is named, and what stands there is not: it may be the password itself."""
    said = _refused(tmp_path, toml)
    assert f"{place}:" in said
    assert not [word for word in ("hunter2", "9100022") if word in said], said


def test_settings_are_frozen(tmp_path: Path) -> None:
    """Nobody changes a setting after it was read."""
    made = _read(tmp_path)
    with pytest.raises(ValueError):
        made.limits.workers = 9  # type: ignore[misc]


def test_the_api_url_ends_in_a_slash(tmp_path: Path) -> None:
    """Slack's base URL is used with exactly one slash at its end, however it was given."""
    for given in ("http://127.0.0.1:1/api", "http://127.0.0.1:1/api/"):
        assert _read(tmp_path, SLACK_API_URL=given).slack_api_url == "http://127.0.0.1:1/api/"


def test_the_example_is_the_generated_one() -> None:
    """deploy/settings.example.toml is what `shipkeeper example-settings` prints."""
    assert (ROOT / "deploy" / "settings.example.toml").read_text() == example()


def test_the_example_is_true(tmp_path: Path) -> None:
    """The example can be read, has every section, and with every comment taken off it still can."""
    assert set(tomllib.loads(example())) == {
        "slack", "archive", "roles", "approvals", "limits", "quiesce", "retention", "drills", "runbooks",
        "builds", "registries", "schedules", "shell_users", "snapshots", "audit", "alarms", "discovery",
    }  # fmt: skip
    assert _read(tmp_path, example(), DOCKER_HOST="unix:///proxy.sock").hosts == {}
    off = example().replace("# commands = []", "").replace("\n# ", "\n")
    keys = "\n".join(line for line in off.splitlines() if " = " in line or line.startswith("["))
    made = _read(tmp_path, keys)
    assert list(made.hosts) == ["local"]
    assert made.slack == Settings(state=tmp_path, database_url="").slack
    assert made.archive_path == tmp_path / "archive"
    assert made.limits == Settings(state=tmp_path, database_url="").limits


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('address = "docker.sock"', "is no address of Docker"),
        ('address = "tcp://h"', "is no address of Docker"),
        ('address = "tcp://h:0"', "is no address of Docker"),
        ('address = "tcp://h:65536"', "is no address of Docker"),
        ('address = "ssh://u:secret@h"', "without a password"),
        ('address = "ssh://-oProxyCommand=x"', "is no address of Docker"),
        ('address = "ssh://h/path"', "is no address of Docker"),
        ('address = "unix:///s"\nca_file = "/ca.pem"', "TLS is for tcp"),
        ('address = "ssh://h"\ncert_file = "/c"\nkey_file = "/k"', "TLS is for tcp"),
        ('address = "tcp://h:1"\nca_file = "/ca"\ncert_file = "/c"', "cert_file and key_file, or neither"),
        ('address = "tcp://h:1"\ncert_file = "/c"\nkey_file = "/k"', "ca_file is missing"),
        ('address = "tcp://h:1"\nssh_config = "/c"', "ssh_config is for ssh"),
    ],
)
def test_nonsense_about_a_host_is_refused(tmp_path: Path, lines: str, words: str) -> None:
    """An address that is none, and files that say nothing about that kind of address, are told at the start."""
    with pytest.raises(SettingsError, match=words):
        _read(tmp_path, f"[hosts.h1]\n{lines}\n")


@pytest.mark.parametrize("name", ["../x", "", "-x", "a b", "a/b", ".x", "ä", "x" * 65])
def test_a_host_that_nothing_could_be_filed_under_is_refused(tmp_path: Path, name: str) -> None:
    """A host's name becomes a directory of the archive and a column of the database."""
    with pytest.raises(SettingsError, match="a host’s name has up to 64 of letters"):
        _read(tmp_path, f'[hosts."{name}"]\naddress = "unix:///s"\n')


@pytest.mark.parametrize("name", ["a", "prod-1.example_2", "0", "x" * 64])
def test_what_settings_take_as_a_host_the_archive_and_the_command_line_take(
    tmp_path: Path, name: str
) -> None:
    """The rule of the settings is within that of the archive and that of `--host`."""
    made = _read(tmp_path, f'[hosts."{name}"]\naddress = "unix:///s"\n')
    assert made.default_host == name
    assert is_safe_name(name)
    assert HostName.parse(name) == name


def test_one_host_is_the_default(tmp_path: Path) -> None:
    """The first one is meant where none is named, unless another one says so; two cannot both."""
    hosts = '[hosts.a]\naddress = "unix:///a"\n[hosts.b]\naddress = "ssh://u@b:22"\n'
    assert _read(tmp_path, hosts).default_host == "a"
    assert _read(tmp_path, hosts + "default = true\n").default_host == "b"
    with pytest.raises(SettingsError, match="a and c both say"):
        _read(tmp_path, hosts.replace("[hosts.b]", "default = true\n[hosts.c]") + "default = true\n")


def test_the_key_of_the_audit_log_is_a_secret(tmp_path: Path) -> None:
    """It comes from the variable or a file, is in no repr, and is refused when it is short."""
    (tmp_path / "key").write_text("a key of some length\n")
    for variables in (
        {"SHIPKEEPER_AUDIT_KEY": "a key of some length"},
        {"SHIPKEEPER_AUDIT_KEY_FILE": str(tmp_path / "key")},
    ):
        made = read({"SHIPKEEPER_STATE": str(tmp_path), **variables})
        assert made.audit_key is not None
        assert made.audit_key.get_secret_value() == "a key of some length"
        assert "some length" not in repr(made)
        assert audit_key(variables) == b"a key of some length"
    with pytest.raises(SettingsError, match="at least 16"):
        read({"SHIPKEEPER_STATE": str(tmp_path), "SHIPKEEPER_AUDIT_KEY": "short"})


@pytest.mark.parametrize(
    "address", ["syslog:514", "udp://127.0.0.1", "tcp://h:99999", "unix://log", "file:///x"]
)
def test_a_syslog_address_that_is_none_is_refused(tmp_path: Path, address: str) -> None:
    """The sentence shows how they look."""
    path = tmp_path / "settings.toml"
    path.write_text(f'[audit]\nsyslog = "{address}"\n')
    with pytest.raises(SettingsError, match="udp://address:port"):
        read({"SHIPKEEPER_STATE": str(tmp_path), "SHIPKEEPER_SETTINGS": str(path)})
