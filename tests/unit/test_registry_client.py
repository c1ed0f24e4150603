"""The client of registries against a server that answers as tests want: tokens, retries, nonsense, secrets."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import Cancelled, RegistryError
from bot.reasons import Reason
from bot.reference import parse
from bot.registry.challenge import may_have_password, read
from bot.registry.client import HttpRegistry
from bot.registry.credentials import HUB_SERVER, from_docker_config, from_file, from_helper, server_of
from bot.registry.wire import Limits, Tls
from bot.secrecy import Login
from tests.support.canaries import canary, planted
from tests.support.dripping import Dripping
from tests.support.scripted_http import Asked, Said, ScriptedHttp

CANARY = canary("registry-password")
HELPED = canary("credential-helper")
ME = Login(username="bot", password=CANARY)
BASIC = "Basic " + base64.b64encode(f"bot:{CANARY}".encode()).decode()
QUICK = Limits(
    connect=timedelta(seconds=2), answer=timedelta(seconds=2), tries=3, wait=timedelta(seconds=0.01)
)
DIGEST = "sha256:" + "a" * 64


def _client(server: ScriptedHttp, login: Login | None = ME, limits: Limits = QUICK) -> HttpRegistry:
    return HttpRegistry(
        "company", server.host, source=lambda: login, tls=Tls(insecure_http=True), limits=limits
    )


def _refused(ask: Callable[[], object]) -> RegistryError:
    with pytest.raises(RegistryError) as refused:
        ask()
    assert CANARY not in f"{refused.value} {refused.value!r}"
    assert "othing was changed" in str(refused.value)
    return refused.value


# ---- who asks --------------------------------------------------------------------------------------


def test_challenges_are_read() -> None:
    """The first scheme that can be answered counts, with its parameters, quoted or not, however they are spaced."""
    bearer = read(
        'Bearer realm="https://auth.example.com/token",service="r, s",scope="repository:a/b:pull,push"'
    )
    assert bearer is not None
    assert bearer.scheme == "bearer"
    assert bearer.parameters == {
        "realm": "https://auth.example.com/token",
        "service": "r, s",
        "scope": "repository:a/b:pull,push",
    }
    several = read('Negotiate, BASIC realm = "a \\"quoted\\" one" , charset=UTF-8')
    assert several is not None
    assert (several.scheme, several.parameters) == ("basic", {"realm": 'a "quoted" one', "charset": "UTF-8"})
    for nothing in ("", "Negotiate", "Digest realm=x", ",,,", '"'):
        assert read(nothing) is None


def test_passwords_go_nowhere_unsafe() -> None:
    """A realm gets it over TLS; without TLS only the registry itself, and only where the settings allow it."""
    assert may_have_password("https://auth.example.com/token", "a:1", insecure=False)
    assert may_have_password("http://a:1/token", "a:1", insecure=True)
    for realm in ("http://a:1/token", "http://b/token", "ftp://a:1/", "", "token", "https://", "//a:1/x"):
        assert not may_have_password(realm, "a:1", insecure=False)
    for realm in ("http://b/token", "http://a:2/token", "http://a:1@b/token"):
        assert not may_have_password(realm, "a:1", insecure=True)


def _with_tokens(server: Callable[[], ScriptedHttp], realm: str = "") -> Callable[[Asked], Said]:
    def answer(asked: Asked) -> Said:
        if asked.path.startswith("/token"):
            right = asked.headers.get("Authorization") == BASIC
            return Said(body=b'{"token":"t0ken-of-the-realm"}') if right else Said(status=401)
        if asked.headers.get("Authorization") == "Bearer t0ken-of-the-realm":
            return Said(headers={"Docker-Content-Digest": DIGEST})
        where = realm or f"http://{server().host}/token"
        return Said(status=401, headers={"WWW-Authenticate": f'Bearer realm="{where}",service="the service"'})

    return answer


def test_a_token_is_fetched_and_used() -> None:
    """The realm gets the login and the scope that the question needs, the registry only the token."""
    with ScriptedHttp(_with_tokens(lambda: server)) as server:
        assert _client(server).digest(parse(f"{server.host}/team/web:1")) == DIGEST
        assert [one.path for one in server.asked] == [
            "/v2/team/web/manifests/1",
            "/token?service=the+service&scope=repository%3Ateam%2Fweb%3Apull",
            "/v2/team/web/manifests/1",
        ]
        assert _client(server).prove() is True
        wrong = Login(username="bot", password=f"{CANARY}-wrong")
        assert _refused(_client(server, wrong).prove).reason is Reason.UNAUTHORIZED


def test_a_registry_that_nobody_logged_in_to_blames_no_login() -> None:
    """A token that anybody gets opens nothing: what is missing is a login, not a better one."""

    def answer(asked: Asked) -> Said:
        if asked.path.startswith("/token"):
            return Said(body=b'{"token":"for-anybody"}')
        return Said(status=401, headers={"WWW-Authenticate": f'Bearer realm="http://{server.host}/token"'})

    with ScriptedHttp(answer) as server:
        for login, words in ((None, "the settings give none"), (ME, "did not accept the login")):
            client = _client(server, login)
            refused = _refused(lambda client=client: client.digest(parse(f"{server.host}/team/web:1")))
            assert (refused.reason, words in str(refused)) == (Reason.UNAUTHORIZED, True), str(refused)


def test_passwords_may_have_any_letters() -> None:
    """Whatever alphabet they are in, they go to registry and realm as UTF-8."""
    korean = Login(username="bot", password="비밀번호")
    expected = "Basic " + base64.b64encode("bot:비밀번호".encode()).decode()
    for scheme in ("Basic realm=x", 'Bearer realm="http://HOST/token"'):

        def answer(asked: Asked, scheme: str = scheme) -> Said:
            if asked.headers.get("Authorization") == expected or "Bearer" in str(asked.headers):
                return Said(body=b'{"token":"t"}')
            return Said(status=401, headers={"WWW-Authenticate": scheme.replace("HOST", server.host)})

        with ScriptedHttp(answer) as server:
            assert _client(server, korean).prove() is True


def test_a_realm_elsewhere_without_tls_gets_nothing() -> None:
    """A registry that sends people to a place without TLS is not obeyed: nobody was asked there."""
    with ScriptedHttp(lambda _: Said()) as thief:
        realm = f"http://{thief.host}/token"
        with ScriptedHttp(_with_tokens(lambda: server, realm)) as server:
            refused = _refused(_client(server).prove)
        assert "read on the way" in str(refused)
        assert thief.asked == []


def test_a_realm_that_is_no_url_is_told() -> None:
    """A sentence says that no registry answers so."""
    with ScriptedHttp(_with_tokens(lambda: server, "https://[x/")) as server:
        assert "no registry answers" in str(_refused(_client(server).prove))


def test_redirections_are_not_followed() -> None:
    """Nobody is asked where a registry points to: it may not take the login along."""
    with (
        ScriptedHttp(lambda _: Said()) as thief,
        ScriptedHttp(lambda _: Said(status=307, headers={"Location": f"http://{thief.host}/"})) as server,
    ):
        assert "307" in str(_refused(_client(server).prove))
        assert thief.asked == []


def test_an_answer_that_repeats_the_password_is_scrubbed() -> None:
    """What a registry says is shown, without the secrets that it was told."""
    body = json.dumps({"errors": [{"message": f"no {CANARY} and {BASIC} here"}]}).encode()

    def answer(asked: Asked) -> Said:
        if "Authorization" in asked.headers:
            return Said(status=403, body=body)
        return Said(status=401, headers={"WWW-Authenticate": "Basic realm=x"})

    with ScriptedHttp(answer) as server:
        refused = _refused(_client(server).prove)
    assert "403 (no … and Basic … here)" in str(refused)
    assert refused.reason is Reason.REFUSED


# ---- how often, how much, how sensible ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "tries"), [(503, 3), (500, 3), (429, 3), (403, 1), (405, 1), (400, 1), (401, 1)]
)
def test_only_what_may_pass_is_tried_again(status: int, tries: int) -> None:
    """A registry that fails is asked again with growing waits, one that refuses is not."""
    with ScriptedHttp(lambda _: Said(status=status)) as server:
        _refused(_client(server).prove)
        assert len(server.asked) == tries


def test_a_second_try_may_succeed() -> None:
    """What comes back after a moment is no failure."""
    answers = [Said(status=503), Said(status=502), Said()]
    with ScriptedHttp(lambda _: answers.pop(0)) as server:
        assert _client(server).prove() is False


def test_waiting_for_the_next_try_can_be_cancelled() -> None:
    """Whoever waits looks several times a second whether it is still wanted."""
    looks = []

    def check() -> None:
        looks.append(1)
        if len(looks) > 2:
            raise Cancelled("enough")

    patient = Limits(connect=timedelta(seconds=2), answer=timedelta(seconds=2), wait=timedelta(hours=1))
    with ScriptedHttp(lambda _: Said(status=503)) as server, pytest.raises(Cancelled):
        _client(server, limits=patient).prove(check)


_OK = b"HTTP/1.1 200 OK\r\n"
_DRIPS = {
    "head": (_OK + b"X-Long: ", b"x"),
    "headers": (_OK, b"X: y\r\n"),
    "body": (_OK + b"Content-Length: 1000000\r\n\r\n", b" "),
    "chunks": (_OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "size of a chunk": (_OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
}
_TLS_RECORD = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"


def _dripped(server: Dripping, limits: Limits, *, insecure: bool = True) -> HttpRegistry:
    tls = Tls(insecure_http=insecure)
    return HttpRegistry("company", server.host, tls=tls, limits=limits)


@pytest.mark.parametrize("part", _DRIPS)
def test_an_answer_that_drips_does_not_count(part: str) -> None:
    """Each byte comes in time, and the whole does not: it is given up, and its connection cut, each time."""
    short = Limits(
        connect=timedelta(seconds=0.3), answer=timedelta(seconds=0.3), wait=timedelta(seconds=0.01)
    )
    began = time.monotonic()
    with Dripping(*_DRIPS[part]) as server:
        refused = _refused(lambda: _dripped(server, short).tags("team/web"))
        assert time.monotonic() - began < 10
        assert all(server.gone.acquire(timeout=5) for _ in range(3))
        assert server.connections == 3
    assert refused.reason is Reason.UNREACHABLE
    assert "does not end" in str(refused)


@pytest.mark.parametrize(("insecure", "part"), [(True, "body"), (True, "head"), (False, "handshake")])
def test_whoever_is_cancelled_waits_for_no_answer(insecure: bool, part: str) -> None:
    """Not even for a greeting: a cancel is heard several times a second, and the connection is cut."""
    looks: list[int] = []

    def check() -> None:
        looks.append(1)
        if len(looks) > 2:
            raise Cancelled("enough")

    long = Limits(answer=timedelta(hours=1))
    with Dripping(*_DRIPS.get(part, (_TLS_RECORD, b"\0"))) as server:
        with pytest.raises(Cancelled):
            _dripped(server, long, insecure=insecure).prove(check)
        assert server.gone.acquire(timeout=5)
        assert server.connections == 1


def test_endless_answers_are_refused() -> None:
    """No more is read than a sensible answer can have."""
    with ScriptedHttp(lambda _: Said(body=b"x" * (5 << 20))) as server:
        assert "more than" in str(_refused(lambda: _client(server).tags("team/web")))


@pytest.mark.parametrize(
    "body", [b"", b"[" * 100_000, b"[]", b'{"tags":[1]}', b'{"tags":"a"}', b"{}", b"\xff"]
)
def test_nonsense_about_tags_is_refused(body: bytes) -> None:
    """What is no list of tags is not taken for an empty one."""
    with ScriptedHttp(lambda _: Said(body=body)) as server:
        assert "no registry answers" in str(_refused(lambda: _client(server).tags("team/web")))


def test_next_pages_are_looked_for_only_here() -> None:
    """A list of tags cannot lead to another server, nor go on for ever."""
    for link in ("<https://[x/>; rel=next", "<http://127.0.0.1:1/v2/x>; rel=next", "</other/x>; rel=next"):
        with ScriptedHttp(
            lambda _, link=link: Said(body=b'{"tags":["a"]}', headers={"Link": link})
        ) as server:
            assert "somewhere else" in str(_refused(lambda: _client(server).tags("team/web")))


def test_a_digest_that_is_not_told_is_reckoned() -> None:
    """Where the header is missing, it is the manifest's own SHA-256; a senseless one is refused."""
    with ScriptedHttp(lambda _: Said(body=b"manifest")) as server:
        expected = f"sha256:{hashlib.sha256(b'manifest').hexdigest()}"
        assert _client(server).digest(parse("x.y/web:1")) == expected
    with ScriptedHttp(lambda _: Said(headers={"Docker-Content-Digest": "nonsense"})) as server:
        assert "no registry answers" in str(_refused(lambda: _client(server).digest(parse("x.y/web:1"))))


# ---- where logins lie --------------------------------------------------------------------------------


def test_a_file_holds_the_password(tmp_path: Path) -> None:
    """Its text without the line break; it is read each time, so that a new password needs no restart."""
    file = planted(tmp_path) / "word"
    source = from_file("company", "bot", file)
    for word in (CANARY, "another"):
        file.write_text(f"{word}\n")
        assert source() == Login(username="bot", password=word)
    file.write_text("")
    assert "is empty" in str(_refused(source))
    file.write_bytes(b"\xff" + CANARY.encode())
    assert "UTF-8" in str(_refused(source))
    file.unlink()
    assert "cannot be read" in str(_refused(source))


def _helper(path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    directory = planted(path)
    program = directory / "docker-credential-test"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")


def test_a_helper_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told the server on its standard input, and answers with JSON; Docker Hub has a name of its own."""
    script = """[ "$1" = get ] || exit 9; read -r server
printf '{"ServerURL":"%s","Username":"of-%s","Secret":"SECRET"}' "$server" "$server" """
    _helper(tmp_path, monkeypatch, script.replace("SECRET", HELPED))
    assert from_helper("c", "test", "a.b:5000")() == Login(username="of-a.b:5000", password=HELPED)
    assert server_of("docker.io") == HUB_SERVER
    hub = from_helper("c", "test", "docker.io")()
    assert hub is not None
    assert hub.username == f"of-{HUB_SERVER}"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (f"echo {CANARY}; echo {CANARY} >&2; exit 1", "exit code 1"),
        (f"echo {CANARY}", "no JSON object"),
        (f"""echo '{{"Username":"","Secret":"{CANARY}"}}'""", "no user with a password"),
        (f"""echo '{{"Username":"<token>","Secret":"{CANARY}"}}'""", "identity token"),
    ],
)
def test_what_a_helper_cannot_do_is_told_without_what_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, words: str
) -> None:
    """Its output may be the secret, so no error repeats it."""
    _helper(tmp_path, monkeypatch, f"cat >/dev/null; {script}")
    assert words in str(_refused(from_helper("company", "test", "a.b")))


def test_a_helper_that_is_missing_is_told() -> None:
    """The name of the program is in the sentence."""
    refused = _refused(from_helper("company", "none-such", "a.b"))
    assert "docker-credential-none-such is not on the PATH" in str(refused)


def test_dockers_own_file_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`auths`, `credHelpers` and `credsStore` are understood, for a host and for Docker Hub."""
    _helper(tmp_path, monkeypatch, f"""cat >/dev/null; echo '{{"Username":"helped","Secret":"{CANARY}"}}'""")
    auth = base64.b64encode(f"bot:{CANARY}".encode()).decode()
    file = planted(tmp_path) / "config.json"
    hub, host = {"auths": {HUB_SERVER: {"auth": auth}}}, {"auths": {"a.b": {"auth": auth}}}
    for config, where, user in (
        (hub, "docker.io", "bot"),
        (host, "a.b", "bot"),
        ({"auths": {"https://a.b": {"auth": auth}}}, "a.b", "bot"),
        ({**host, "credHelpers": {"a.b": "test"}}, "a.b", "helped"),
        ({**host, "credsStore": "test"}, "a.b", "helped"),
        ({**host, "credHelpers": {"other": "test"}}, "a.b", "bot"),
    ):
        file.write_text(json.dumps(config))
        assert from_docker_config("company", file, where)() == Login(username=user, password=CANARY)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "docker login a.b"),
        (CANARY, "no JSON object"),
        (json.dumps({"auths": {"a.b": {"auth": CANARY + "%"}}}), "cannot be read"),
        (json.dumps({"auths": {"a.b": {}}}), "no user with a password"),
        (json.dumps({"auths": {"a.b": {"identitytoken": CANARY}}}), "identity token"),
        (json.dumps({"auths": [CANARY]}), "docker login a.b"),
    ],
)
def test_a_file_of_dockers_that_does_not_help_is_told(tmp_path: Path, text: str, words: str) -> None:
    """Each way of not finding a login has its sentence, without what is in the file."""
    file = planted(tmp_path) / "config.json"
    file.write_text(text)
    assert words in str(_refused(from_docker_config("company", file, "a.b")))
    assert "HOME" in str(_refused(from_docker_config("company", None, "a.b")))
