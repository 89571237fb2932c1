"""HTTP requests as tools, against a real service on loopback."""

import asyncio
import json

import pytest

from harness.exceptions import ToolArgumentsRefused, ToolFailed
from harness.tools.tool import ToolCall

KEY = "run-1/send[2]/tool"


@pytest.fixture
def tools(project, service):
    """`tools(name="{...}")`: the project's HTTP tools, which may reach the service."""

    def write(hosts=None, **said):
        listed = json.dumps(hosts or [service.host])
        lines = "".join(f"  {name}: {text.replace('URL', service.url)}\n" for name, text in said.items())
        return project.write(f"http: {{allowed_hosts: {listed}}}\ntools:\n{lines}")

    return write


def failed(project, name, arguments=None, **environment):
    with pytest.raises(ToolFailed) as caught:
        project.call(name, arguments, **environment)
    return caught.value


def test_json_text_and_nothing_come_as_what_they_are(tools):
    project = tools(
        echo="{http: {url: 'URL/echo/{id}?q={q}'}}",
        text="{http: {url: URL/text}}",
        empty="{http: {method: DELETE, url: URL/empty}}",
    )

    assert project.call("echo", {"id": "a b", "q": "x&y"}) == {"path": "/echo/a%20b?q=x%26y", "method": "GET"}
    assert project.call("text") == "grün"
    assert project.call("empty") is None


def test_an_effect_carries_the_same_key_in_each_repetition_and_reading_carries_none(tools, service):
    project = tools(
        send="{http: {method: POST, url: URL/echo, json: {to: '{to}'}}}",
        harmless="{http: {method: POST, url: URL/echo}, effect: false}",
        look="{http: {url: URL/echo}}",
    )

    project.call("send", {"to": "Ada"}, key=KEY)
    project.call("send", {"to": "Ada"}, key=KEY)
    project.call("harmless", key=KEY)
    project.call("look", key=KEY)

    keys = [headers.get("idempotency-key") for _, _, headers, _ in service.seen]
    assert keys == [KEY, KEY, None, None]
    assert json.loads(service.seen[0][3]) == {"to": "Ada"}
    assert service.seen[0][2]["content-type"] == "application/json"


def test_a_key_that_no_header_carries_is_another_that_is_always_the_same(tools, service):
    project = tools(send="{http: {method: POST, url: URL/echo}}")
    for key in ("é\r\nX: y", "k" * 300, "k" * 300):
        project.call("send", key=key)

    first, second, third = [headers["idempotency-key"] for _, _, headers, _ in service.seen]
    assert first == "%C3%A9%0D%0AX:%20y"
    assert second == third
    assert len(second) <= 255


def test_effect_and_outward_follow_the_method_unless_the_project_says_otherwise(tools):
    project = tools(
        look="{http: {url: URL/echo}}",
        send="{http: {method: POST, url: URL/echo}}",
        ask="{http: {method: POST, url: URL/echo}, effect: false, outward: false}",
    )

    said = {name: project.spec(name) for name in ("look", "send", "ask")}
    assert {name: (spec.effect, spec.outward) for name, spec in said.items()} == {
        "look": (False, True),
        "send": (True, True),
        "ask": (False, False),
    }


@pytest.mark.parametrize(("status", "again"), [(400, False), (404, False), (409, False), (429, True), (503, True)])
def test_a_refusal_is_told_with_what_the_service_said_and_whether_to_try_again(tools, status, again):
    error = failed(tools(it=f"{{http: {{url: URL/status/{status}}}}}"), "it")

    assert error.reason == f'HTTP {status}: {{"error": "told by the service"}}'
    assert error.retryable is again


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("binary", r"\(image/png\) is neither JSON nor text"),
        ("nan", "says its answer is JSON, which it is not: NaN"),
        ("deep", "says its answer is JSON, which it is not"),
        ("cut", "the connection broke"),
    ],
)
def test_an_answer_that_cannot_be_read_is_an_error_in_words(tools, path, words):
    with pytest.raises(ToolFailed, match=words):
        tools(it=f"{{http: {{url: URL/{path}}}}}").call("it")


def test_half_of_a_character_pair_is_replaced_because_no_database_takes_it(tools):
    assert tools(it="{http: {url: URL/half}}").call("it") == {"text": "half ? a pair"}


def test_a_huge_answer_is_an_error_and_is_not_read_to_its_end(tools, service):
    error = failed(tools(it="{http: {url: URL/huge}, max_result_bytes: 200000}"), "it")

    assert "max_result_bytes=200000" in error.reason
    assert not error.retryable
    assert service.sent < 10_000_000


def test_a_service_that_hangs_is_left(tools):
    error = failed(tools(it="{http: {url: URL/hang}, timeout_seconds: 0.2}"), "it")

    assert error.reason == "no answer within 0.2 s"
    assert error.retryable


def test_a_service_that_is_not_there_is_worth_another_try(tools):
    error = failed(tools(["127.0.0.1:1"], it="{http: {url: 'http://127.0.0.1:1/'}}"), "it")

    assert error.reason.startswith("no connection")
    assert error.retryable


class TestRedirects:
    def test_one_to_a_listed_host_is_followed(self, tools, service):
        service.location = f"{service.url}/echo/there"

        assert tools(it="{http: {url: URL/to}}").call("it")["path"] == "/echo/there"

    @pytest.mark.parametrize(
        "location",
        ["http://evil.test/", "http://127.0.0.1:1/x", "http://u:p@{host}/x", "file:///etc/passwd", "https://[::1]/"],
    )
    def test_one_to_any_other_is_not(self, tools, service, location):
        service.location = location.format(host=service.host)

        error = failed(tools(it="{http: {url: URL/to}}"), "it")

        assert "is not listed under `http: allowed_hosts`" in error.reason
        assert [path for _, path, _, _ in service.seen] == ["/to"]

    def test_an_effect_is_never_sent_on(self, tools, service):
        service.location = f"{service.url}/echo"

        error = failed(tools(it="{http: {method: POST, url: URL/to}}"), "it")

        assert error.reason.startswith("HTTP 302")
        assert [path for _, path, _, _ in service.seen] == ["/to"]

    def test_going_round_ends(self, tools, service):
        assert "redirected more than 5 times" in failed(tools(it="{http: {url: URL/round}}"), "it").reason
        assert len(service.seen) == 6

    def test_a_secret_goes_to_its_own_origin_alone(self, tools, service):
        other = f"localhost:{service.server_address[1]}"
        service.location = f"http://{other}/echo"
        project = tools(
            [service.host, other], it="{http: {url: URL/to, headers: {Authorization: 'Bearer env:MY_KEY', X-A: b}}}"
        )

        project.call("it", MY_KEY="sesame-open")

        (_, _, first, _), (_, _, second, _) = service.seen
        assert first["authorization"] == "Bearer sesame-open"
        assert "authorization" not in second
        assert second["x-a"] == "b"


def test_a_secret_comes_from_the_environment_and_is_in_no_error(tools, service):
    project = tools(it="{http: {url: URL/tells, headers: {Authorization: 'Bearer env:MY_VALUE'}}}")

    error = failed(project, "it", MY_VALUE="sesame-open")

    assert service.seen[0][2]["authorization"] == "Bearer sesame-open"
    assert error.reason == "HTTP 400: not allowed: Bearer [redacted]"
    assert error.__cause__ is None
    assert failed(project, "it").reason == (
        "its header 'Authorization' needs the environment variable MY_VALUE, which is not set"
    )


def test_cookies_are_not_kept(tools, service):
    toolbox = tools(it="{http: {url: URL/echo}}").toolbox()

    async def twice():
        tool = await toolbox.tool("it")
        for _ in range(2):
            await tool.call(ToolCall({}, "key", organisation="acme", person="ada", run_id="run"))
        await toolbox.close()

    asyncio.run(twice())

    assert len(service.seen) == 2
    assert all("cookie" not in headers for _, _, headers, _ in service.seen)


def test_an_argument_that_would_leave_its_place_is_refused_and_nothing_is_sent(tools, service):
    with pytest.raises(ToolArgumentsRefused, match="argument 'id'"):
        tools(it="{http: {url: 'URL/echo/{id}'}}").call("it", {"id": "../status/503"})
    assert service.seen == []
