import asyncio
import base64
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

import pytest

from harness.dialects.wire import WireRequest
from harness.exceptions import KeyRefused, Unreachable
from harness.integrations.google_credentials import GoogleSigner

pytest.importorskip("google.auth", reason="the extra `vertex` is not installed")

REQUEST = WireRequest("POST", "https://aiplatform.googleapis.com/v1/x", {"content-type": "application/json"}, b"{}", 5)


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch, tmp_path):
    """No credentials of whoever runs the tests."""
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "no-gcloud"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")


class TokenServer:
    """Google's token service on loopback: gives numbered tokens that last as long as it is told."""

    def __init__(self):
        self.seconds = 3600
        self.status = 200
        self.asked = []
        outer = self

        class Answers(BaseHTTPRequestHandler):
            def do_POST(self):
                form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                outer.asked.append(form)
                token = {"access_token": f"token-{len(outer.asked)}", "expires_in": outer.seconds}
                failure = {"error": "invalid_grant", "error_description": f"bad {form.get('assertion')}"}
                body = json.dumps(token if outer.status == 200 else failure).encode()
                self.send_response(outer.status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args):
                """Say nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self._server.server_port}/token"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def token_server():
    server = TokenServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def private_key():
    rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa", reason="cryptography makes the test key")
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture
def environment(tmp_path, token_server, private_key):
    account = {
        "type": "service_account",
        "project_id": "a-project",
        "private_key_id": "k",
        "private_key": private_key,
        "client_email": "harness@a-project.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": token_server.url,
    }
    path = tmp_path / "account.json"
    path.write_text(json.dumps(account))
    return {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}


def test_a_request_gets_an_access_token_for_the_cloud_and_keeps_its_bytes(environment, token_server):
    async def main():
        signer = GoogleSigner("vertex", environment)
        return [await signer.signed(REQUEST) for _ in range(3)]

    first, *others = asyncio.run(main())
    assert first.headers == {"content-type": "application/json", "authorization": "Bearer token-1"}
    assert (first.url, first.body, first.method) == (REQUEST.url, REQUEST.body, REQUEST.method)
    assert others == [first, first]
    assert len(token_server.asked) == 1
    claims = token_server.asked[0]["assertion"][0].split(".")[1]
    told = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert told["scope"] == "https://www.googleapis.com/auth/cloud-platform"


def test_a_token_that_ends_soon_is_renewed_once_for_all_who_wait(environment, token_server):
    async def main():
        signer = GoogleSigner("vertex", environment)
        token_server.seconds = 1
        before = await signer.signed(REQUEST)
        token_server.seconds = 3600
        return before, await asyncio.gather(*(signer.signed(REQUEST) for _ in range(5)))

    before, after = asyncio.run(main())
    assert before.headers["authorization"] == "Bearer token-1"
    assert {request.headers["authorization"] for request in after} == {"Bearer token-2"}


def test_a_token_that_cannot_be_had_is_a_refused_key_without_secrets(environment, token_server):
    token_server.status = 400
    with pytest.raises(KeyRefused, match="cannot be renewed") as caught:
        asyncio.run(GoogleSigner("vertex", environment).signed(REQUEST))
    assert token_server.asked[0]["assertion"][0] not in str(caught.value)


def test_a_token_service_that_is_not_reached_can_be_asked_again(environment, token_server):
    signer = GoogleSigner("vertex", environment)
    assert signer.account
    token_server.close()
    with pytest.raises(Unreachable) as caught:
        asyncio.run(signer.signed(REQUEST))
    assert caught.value.retryable


def test_a_person_who_signed_in_is_known_by_the_file(tmp_path):
    path = tmp_path / "person.json"
    told = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"}
    path.write_text(json.dumps(told))
    account = GoogleSigner("vertex", {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}).account
    # gcloud's own client is everybody's: what tells people apart is their sign-in.
    path.write_text(json.dumps({**told, "refresh_token": "other"}))
    assert account != GoogleSigner("vertex", {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}).account


def test_the_account_is_the_same_each_time_and_gives_nothing_away(environment):
    signer = GoogleSigner("vertex", environment)
    assert signer.account == asyncio.run(GoogleSigner("vertex", environment).ready()).account
    assert "harness" not in signer.account


@pytest.mark.parametrize("content", [None, "no JSON", '{"type": "service_account"}', "[]"])
def test_a_file_that_cannot_be_used_is_a_refused_key(tmp_path, content):
    path = tmp_path / "account.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(KeyRefused, match="file fails"):
        asyncio.run(GoogleSigner("vertex", {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}).signed(REQUEST))


def test_without_credentials_it_is_said_what_was_looked_for():
    with pytest.raises(KeyRefused, match="gcloud auth application-default login"):
        asyncio.run(GoogleSigner("vertex", {}).signed(REQUEST))


def test_without_google_auth_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.auth", None)
    with pytest.raises(KeyRefused, match=r"pip install portable-harness\[vertex\]"):
        asyncio.run(GoogleSigner("vertex", {}).signed(REQUEST))
