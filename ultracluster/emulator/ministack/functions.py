"""The AWS SDK in Node's runtime of Lambda functions, so that CDK's custom resources really run.

The clients (`@aws-sdk/client-*`) are small ones that ask this server to make the call with boto3.
A streamed answer (an S3 object's body) arrives as text.
"""

import asyncio
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ultracluster.emulator.ministack import internals
from ultracluster.emulator.provisioning import Scope
from ultracluster.service_model import model as model_of

TARGET: Final = "EmulatorSdk"
"""Prefix of the requests that `sdk.js` sends."""

CLIENTS: Final = {
    # package, botocore's name, class: those that aws-cdk-lib 2.275.0's own functions import.
    "client-ec2": ("ec2", "EC2"),
    "client-s3": ("s3", "S3"),
    "client-iam": ("iam", "IAM"),
    "client-sts": ("sts", "STS"),
    "client-kms": ("kms", "KMS"),
    "client-ecr": ("ecr", "ECR"),
    "client-ssm": ("ssm", "SSM"),
    "client-fsx": ("fsx", "FSx"),
    "client-sns": ("sns", "SNS"),
    "client-sagemaker": ("sagemaker", "SageMaker"),
    "client-cloudwatch-logs": ("logs", "CloudWatchLogs"),
}

SDK: Final = Path(__file__).with_name("sdk.js")


def install(folder: Path) -> None:
    """Write the modules into a folder, and let functions find them."""
    node = folder / "node_modules"
    clients = node / "@aws-sdk"
    clients.mkdir(parents=True)
    shutil.copy(SDK, node / "emulator-sdk.js")
    for package, (service, name) in CLIENTS.items():
        (clients / package).mkdir()
        operations = json.dumps(model_of(service).operation_names)
        made = f'require("../../emulator-sdk.js")("{service}", "{name}", {operations})'
        (clients / package / "index.js").write_text(f"module.exports = {made};")
    os.environ["NODE_PATH"] = str(node)
    internals.route(TARGET, TARGET, _answer)


async def _answer(target: str, body: bytes) -> tuple[int, bytes]:
    service, operation = target.removeprefix(f"{TARGET}.").split(":")
    scope = internals.current_scope()
    status, answer = await asyncio.to_thread(
        _call, scope, service, operation, json.loads(body or b"{}")
    )
    return status, json.dumps(answer, default=_text).encode()


def _call(
    scope: Scope, service: str, operation: str, arguments: Mapping[str, Any]
) -> tuple[int, dict[str, Any]]:
    client: Any = boto3.client(
        service,
        endpoint_url=f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}",
        region_name=scope.region,
        aws_access_key_id=scope.account,
        aws_secret_access_key="emulated",  # noqa: S106 - the token is what is checked
        aws_session_token=os.environ["AWS_SESSION_TOKEN"],
        config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}),
    )
    try:
        answer: dict[str, Any] = client._make_api_call(operation, dict(arguments))
    except ClientError as error:
        found = error.response["Error"]
        return 400, {"__type": found["Code"], "message": found["Message"]}
    except BotoCoreError as error:
        return 400, {"__type": type(error).__name__, "message": str(error)}
    return 200, answer


def _text(value: Any) -> Any:
    if hasattr(value, "read"):
        value = value.read()
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
