"""The chat page over plain HTTP: who may use it, what it shows, what typing and pressing does."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest
from playground_wire import bare_socket as socket_of
from playground_wire import button, receive, section
from slack_sdk import WebClient

from bot.playground import Playground
from bot.playground.page import ASSETS, FOLDER

pytestmark = pytest.mark.slack


def ask(playground: Playground, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """Status and decoded body of one request to the page."""
    connection = http.client.HTTPConnection(playground.url.removeprefix("http://"), timeout=5)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = None if body is None else json.dumps(body)
    connection.request(method, path, content, {"Content-Type": "application/json", **named})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    is_json = (answer.getheader("Content-Type") or "").startswith("application/json")
    return answer.status, json.loads(text) if is_json else text


def test_the_page_and_its_files_are_served_with_a_policy(playground: Playground) -> None:
    """The page comes with its own files only; anything else in its folder's path is not found."""
    status, html = ask(playground, "GET", "/")
    assert status == 200
    assert "https://" not in html
    assert {path.name for path in FOLDER.iterdir()} == {*ASSETS, "index.html"}
    for name in ASSETS:
        assert ask(playground, "GET", f"/page/{name}")[0] == 200
    assert ask(playground, "GET", "/page/..%2fpage.py")[0] == 404
    assert ask(playground, "GET", "/page/index.html")[0] == 404


def test_other_hosts_and_origins_are_refused(playground: Playground) -> None:
    """A rebound domain name and a foreign page's request do nothing."""
    typed = {"text": "hello", "user": "U0ANN", "channel": "C0OPS"}
    assert ask(playground, "GET", "/", Host="evil.example")[0] == 421
    assert ask(playground, "POST", "/page/type", typed, Origin="http://evil.example")[0] == 403
    assert ask(playground, "POST", "/page/type", typed, Sec_Fetch_Site="cross-site")[0] == 403
    assert ask(playground, "POST", "/page/type", typed, Content_Type="text/plain")[0] == 415
    assert playground.world.messages() == ()
    assert ask(playground, "POST", "/page/type", typed, Origin=playground.url)[0] == 200
    assert playground.world.messages()[0].text == "hello"


@pytest.mark.parametrize("file", [{"name": "a", "content": "not base64!"}, {"name": "a"}, "a"])
def test_a_broken_file_is_refused(playground: Playground, file: Any) -> None:
    """A file whose content cannot be read, or is missing, is explained, and nothing is posted."""
    typed = {"text": "hello", "user": "U0ANN", "channel": "C0OPS", "file": file}
    status, answer = ask(playground, "POST", "/page/type", typed)
    assert status == 400
    assert answer["error"]
    assert playground.world.messages() == ()


@pytest.mark.parametrize("content", [b"[]", b"{", b'{"user": 1}'])
def test_broken_requests_are_explained(playground: Playground, content: bytes) -> None:
    """What is not a complete JSON object gets a sentence and 400."""
    connection = http.client.HTTPConnection(playground.url.removeprefix("http://"), timeout=5)
    connection.request("POST", "/page/type", content, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 400
    assert json.loads(answer.read())["error"]
    connection.close()


def test_typing_decides_what_is_meant(playground: Playground) -> None:
    """A slash makes a command, @shipkeeper a mention, anything else a plain message; names become ids."""
    for text in ("/backup pgdata --note @bob", "@shipkeeper why <that> @bob", "plain & simple"):
        typed = {"text": text, "user": "U0ANN", "channel": "C0OPS"}
        assert ask(playground, "POST", "/page/type", typed)[1]["error"] is None
    command, mention = playground.world.deliveries
    assert (command.payload["command"], command.payload["text"]) == ("/backup", "pgdata --note <@U0BOB>")
    assert mention.payload["event"]["text"] == "<@U0BOT> why &lt;that&gt; <@U0BOB>"
    assert [m.text for m in playground.world.messages()][-1] == "plain &amp; simple"


def test_the_state_shows_each_user_their_own_view(playground: Playground, client: WebClient) -> None:
    """Ephemerals and errors are seen by one user; an unchanged version comes without items."""
    client.chat_postEphemeral(channel="C0OPS", user="U0BOB", text="psst")
    playground.slash("/backup", user="U0ANN")
    ann = ask(playground, "GET", "/page/state?user=U0ANN")[1]
    bob = ask(playground, "GET", "/page/state?user=U0BOB")[1]
    assert [item["kind"] for item in ann["items"]] == ["typed", "error"]
    assert "dispatch_failed" in ann["items"][1]["text"]
    assert [(item["text"], item["ephemeral"]) for item in bob["items"]] == [("psst", True)]
    assert ann["connected"] is False
    again = ask(playground, "GET", f"/page/state?user=U0ANN&after={ann['version']}")[1]
    assert again == {"version": ann["version"]}


def test_a_button_is_pressed_from_the_page(playground: Playground, client: WebClient) -> None:
    """Pressing posts a click; a button that is gone is explained."""
    blocks = [section("Go?"), {"type": "actions", "elements": [button()]}]
    ts = client.chat_postMessage(channel="C0OPS", text="x", blocks=blocks)["ts"]
    press = {"user": "U0BOB", "channel": "C0OPS", "ts": ts, "action_id": "go"}
    with socket_of(playground) as websocket:
        assert ask(playground, "GET", "/page/state")[1]["connected"] is True
        assert ask(playground, "POST", "/page/press", press)[0] == 200
        assert receive(websocket)["payload"]["user"]["id"] == "U0BOB"
    client.chat_update(channel="C0OPS", ts=ts, text="gone")
    status, answer = ask(playground, "POST", "/page/press", press)
    assert status == 400
    assert "no button" in answer["error"]
