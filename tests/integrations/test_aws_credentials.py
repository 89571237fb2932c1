import asyncio
import datetime as dt
import sys

import pytest

from harness.dialects.wire import WireRequest
from harness.exceptions import KeyRefused, Unreachable
from harness.integrations.aws_credentials import AwsSigner

botocore_auth = pytest.importorskip("botocore.auth", reason="the extra `bedrock` is not installed")

KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
}
NOW = dt.datetime(2015, 8, 30, 12, 36, 0, tzinfo=dt.UTC)
ARN = "arn:aws:bedrock:us-east-1:000000000000:inference-profile/us.anthropic.claude-3-7-sonnet-20250219-v1:0"


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch, tmp_path):
    """No credentials of whoever runs the tests, and one moment for all signatures."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setattr(botocore_auth, "get_current_datetime", lambda: NOW.replace(tzinfo=None))


def request_to(url, body=b"{}", **headers):
    return WireRequest("POST", url, {"content-type": "application/json", **headers}, body, 5)


BEDROCK = "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse"


def signed(request, environment, endpoint="there"):
    return asyncio.run(AwsSigner(endpoint, environment).signed(request))


def scope_of(request):
    return request.headers["Authorization"].split("Credential=")[1].split(",")[0]


def test_the_signature_is_the_one_that_botocore_puts_on_a_whole_request(monkeypatch):
    botocore_session = pytest.importorskip("botocore.session")
    sent = {}

    class Stop(Exception):
        """The request must not leave."""

    def caught(request, **_kwargs):
        sent.update(url=request.url, body=request.body, headers=dict(request.headers.items()))
        raise Stop

    client = botocore_session.Session().create_client(
        "bedrock-runtime",
        region_name="us-east-1",
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        aws_session_token="token/+=",
    )
    client.meta.events.register("before-send.bedrock-runtime.Converse", caught)
    with pytest.raises(Stop):
        client.converse(modelId=ARN, messages=[{"role": "user", "content": [{"text": "Grüße"}]}])
    theirs = {name.lower(): _text(value) for name, value in sent["headers"].items()}
    # What is not signed must not differ either: the same headers go in that botocore signed.
    names = theirs["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    given = {name: theirs[name] for name in names if not name.startswith("x-amz") and name != "host"}
    ours = signed(WireRequest("POST", sent["url"], given, sent["body"], 5), {**KEYS, "AWS_SESSION_TOKEN": "token/+="})
    ours_lower = {name.lower(): value for name, value in ours.headers.items()}
    assert {name: ours_lower[name] for name in (*given, "x-amz-date", "x-amz-security-token", "authorization")} == {
        name: theirs[name] for name in (*given, "x-amz-date", "x-amz-security-token", "authorization")
    }
    assert "%3A" in sent["url"]
    assert "%2F" in sent["url"]


def _text(value):
    return value.decode() if isinstance(value, bytes) else value


def test_the_bytes_and_the_address_stay_and_a_bearer_token_gives_way():
    request = request_to(BEDROCK, b'{"a": 1}', authorization="Bearer k")
    done = signed(request, KEYS)
    assert (done.url, done.body, done.timeout_seconds) == (request.url, request.body, 5)
    assert [name.lower() for name in done.headers].count("authorization") == 1
    assert done.headers["Authorization"].startswith("AWS4-HMAC-SHA256 ")
    assert "AKIDEXAMPLE" not in repr(done)


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("bedrock-runtime.us-east-1.amazonaws.com", "us-east-1"),
        ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("vpce-1.bedrock-runtime.eu-central-1.vpce.amazonaws.com", "eu-central-1"),
        ("bedrock-runtime.ap-south-1.api.aws", "ap-south-1"),
        ("proxy.example", "eu-west-3"),
    ],
)
def test_the_region_is_the_addresss_and_otherwise_the_environments(host, region):
    done = signed(request_to(f"https://{host}/model/m/converse"), {**KEYS, "AWS_REGION": "eu-west-3"})
    assert scope_of(done) == f"AKIDEXAMPLE/20150830/{region}/bedrock/aws4_request"


def test_without_a_region_it_is_said_how_to_name_one():
    with pytest.raises(KeyRefused, match="AWS_REGION"):
        signed(request_to("https://proxy.example/model/m/converse"), KEYS)


def test_a_profile_of_the_files_that_the_environment_names_is_used(tmp_path):
    (tmp_path / "keys").write_text("[work]\naws_access_key_id = AKIDWORK\naws_secret_access_key = s\n")
    (tmp_path / "config").write_text("[profile work]\nregion = eu-north-1\n")
    environment = {
        "AWS_PROFILE": "work",
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "keys"),
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
    }
    done = signed(request_to("https://proxy.example/model/m/converse"), environment)
    assert scope_of(done) == "AKIDWORK/20150830/eu-north-1/bedrock/aws4_request"
    # Keys in the environment go before the profile, as for AWS's own tools.
    assert scope_of(signed(request_to(BEDROCK), {**environment, **KEYS})).startswith("AKIDEXAMPLE/")


def test_without_credentials_it_is_said_what_was_looked_for():
    with pytest.raises(KeyRefused, match="AWS_ACCESS_KEY_ID") as caught:
        signed(request_to(BEDROCK), {"AWS_EC2_METADATA_DISABLED": "true"}, "bedrock-eu")
    assert caught.value.endpoint == "bedrock-eu"
    assert not caught.value.maybe_billed


def test_a_profile_that_is_not_there_is_named():
    with pytest.raises(KeyRefused, match="nobody"):
        signed(request_to(BEDROCK), {"AWS_PROFILE": "nobody"})


def test_half_a_key_is_refused_without_being_shown():
    with pytest.raises(KeyRefused) as caught:
        signed(request_to(BEDROCK), {"AWS_ACCESS_KEY_ID": "AKIDHALF"})
    assert "AKIDHALF" not in str(caught.value)


def test_the_account_tells_keys_apart_gives_none_away_and_outlives_temporary_keys():
    def account(**environment):
        return AwsSigner("there", environment).account

    one = account(**KEYS)
    assert one == asyncio.run(AwsSigner("there", KEYS).ready()).account
    assert one != account(**{**KEYS, "AWS_ACCESS_KEY_ID": "AKIDOTHER"})
    assert "AKID" not in one
    hourly = [account(**{**KEYS, "AWS_ACCESS_KEY_ID": key, "AWS_ACCOUNT_ID": "1234"}) for key in ("ASIA1", "ASIA2")]
    assert hourly[0] == hourly[1] != one


def test_without_botocore_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "botocore.credentials", None)
    with pytest.raises(KeyRefused, match=r"pip install portable-harness\[bedrock\]"):
        signed(request_to(BEDROCK), KEYS)


def test_a_service_of_credentials_that_cannot_be_reached_can_be_asked_again():
    from botocore.exceptions import EndpointConnectionError

    class Away:
        def get_frozen_credentials(self):
            raise EndpointConnectionError(endpoint_url="http://169.254.170.2/")

    signer = AwsSigner("there", KEYS)
    with pytest.raises(Unreachable) as caught:
        signer._frozen(Away())
    assert caught.value.retryable


def test_keys_that_last_are_used_without_a_thread(monkeypatch):
    async def main():
        signer = await AwsSigner("there", KEYS).ready()
        monkeypatch.setattr("asyncio.to_thread", None)
        return await signer.signed(WireRequest("POST", BEDROCK, {}, b"{}", 9))

    assert "Credential=" in asyncio.run(main()).headers["Authorization"]
