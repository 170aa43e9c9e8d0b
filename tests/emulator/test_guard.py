"""Who may ask the emulated AWS: whoever has its credentials, and no page of a browser."""

import os
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.review.browser import Browser

SERVICES = ("sts", "ec2", "s3", "lambda", "cloudformation", "iam", "fsx", "sagemaker", "logs")
PAGE = """
<script>
async function ask(url, options) {
  try { const answer = await fetch(url, options); return `${answer.type} ${answer.status}`; }
  catch (error) { return "refused"; }
}
</script>
"""


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("token", [None, "guessed"])
def test_every_service_refuses_whoever_lacks_the_secret(cloud, service, token):
    """A function's code runs as whoever rehearses: a program without the secret starts none."""
    client = boto3.client(
        service,
        endpoint_url=cloud.emulator.endpoint_url,
        region_name=cloud.region,
        aws_access_key_id=cloud.account,
        aws_secret_access_key="emulated",  # noqa: S106 - no secret
        aws_session_token=token,
    )
    read = {
        "sts": "get_caller_identity",
        "ec2": "describe_vpcs",
        "s3": "list_buckets",
        "lambda": "list_functions",
        "cloudformation": "list_stacks",
        "iam": "list_roles",
        "fsx": "describe_file_systems",
        "sagemaker": "list_training_jobs",
        "logs": "describe_log_groups",
    }[service]

    with pytest.raises(ClientError) as refused:
        getattr(client, read)()

    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert getattr(cloud.client(service), read)()["ResponseMetadata"]["HTTPStatusCode"] == 200


def answer(cloud, method="GET", path="/", **headers):
    """Return status and headers of a request that any program can make."""
    host = cloud.emulator.endpoint_url.removeprefix("http://")
    connection = HTTPConnection(host, timeout=10)
    connection.request(method, path, headers=headers)
    found = connection.getresponse()
    connection.close()
    return found.status, {name.lower() for name, _ in found.getheaders()}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example:80"}, 403),
        ({"Host": "127.0.0.1.evil.example:80"}, 403),
        ({"Host": "localhost:1"}, 200),
    ],
)
def test_a_page_is_refused_even_with_the_secret(cloud, headers, status):
    """Names that lead to 127.0.0.1 are how a page gets around the browser's same-origin rule."""
    token = {"X-Amz-Security-Token": cloud.emulator.token}
    found, names = answer(cloud, path="/_ministack/health", **headers, **token)
    assert found == status
    assert not {name for name in names if name.startswith("access-control-")}


@pytest.mark.parametrize("path", ["/_ministack/health", "/_ministack/reset", "/", "/bucket/key"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS"])
def test_no_path_is_open(cloud, path, method):
    """The emulator's own pages are its state as well."""
    assert answer(cloud, method, path)[0] == 403


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "DELETE", "OPTIONS"])
def test_the_path_that_needs_no_secret_leads_to_no_service(cloud, method):
    """A header says which service is meant, whatever the path: functions would be made and run."""
    asked = "Action=CreateVpc&Version=2016-11-15&CidrBlock=10.9.0.0%2F16"
    scope = f"Credential={cloud.account}/20260101/{cloud.region}/ec2/aws4_request"
    signed = {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"}
    before = cloud.client("ec2").describe_vpcs()["Vpcs"]
    path = f"/_ministack/cfn-response/x?{asked}"
    assert answer(cloud, method, path, **signed)[0] == 403
    assert cloud.client("ec2").describe_vpcs()["Vpcs"] == before


def test_a_role_that_was_assumed_may_ask(cloud):
    """The CDK CLI deploys with the credentials of the roles of its bootstrap."""
    trust = '{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}'
    cloud.client("iam").create_role(RoleName="Guarded", AssumeRolePolicyDocument=trust)
    arn = f"arn:aws:iam::{cloud.account}:role/Guarded"
    given = cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="session")["Credentials"]

    def caller(token):
        return boto3.client(
            "sts",
            endpoint_url=cloud.emulator.endpoint_url,
            region_name=cloud.region,
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=token,
        )

    assert "Guarded" in caller(given["SessionToken"]).get_caller_identity()["Arn"]
    with pytest.raises(ClientError):
        caller("another").get_caller_identity()


def test_another_process_is_refused(cloud):
    """The variables that a shell needs are those that the rehearsal prints, with the secret."""
    script = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
    given = {**os.environ, **cloud.emulator.environment()}

    def status(**changed):
        done = subprocess.run(
            [sys.executable, "-c", script], env=given | changed, capture_output=True, check=False
        )
        return done.returncode

    assert status() == 0
    assert status(AWS_SESSION_TOKEN="") != 0


@pytest.mark.needs("chromium")
def test_a_page_in_a_browser_gets_nothing(cloud, tmp_path: Path):
    """A real page: by `fetch`, with and without CORS, and with every header it may send."""
    page = tmp_path / "evil.html"
    page.write_text(PAGE)
    browser = Browser(tmp_path / "profile")
    try:
        opened = browser.open(page)
        url = f"{cloud.emulator.endpoint_url}/"
        body = "Action=DescribeVpcs&Version=2016-11-15"
        form = f"{{method: 'POST', body: '{body}'}}"
        token = f"{{headers: {{'X-Amz-Security-Token': '{cloud.emulator.token}'}}}}"
        assert opened.run(f"ask('{url}', {{}})") == "refused"
        assert opened.run(f"ask('{url}', {form})") == "refused"
        # Even a page that knows the secret: its preflight is refused.
        assert opened.run(f"ask('{url}', {token})") == "refused"
        # What a page may send without reading the answer does nothing.
        before = cloud.client("ec2").describe_vpcs()["Vpcs"]
        made = "{mode: 'no-cors', method: 'POST', body: 'Action=CreateVpc&CidrBlock=10.9.0.0/16'}"
        opened.run(f"ask('{url}', {made})")
        assert cloud.client("ec2").describe_vpcs()["Vpcs"] == before
    finally:
        browser.close()
