"""Every call to AWS; besides the emulator the only module that imports boto3."""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import boto3
import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.httpsession import URLLib3Session

from ultracluster.exit_status import CommandError
from ultracluster.service_model import SESSION, reader

RETRIES: Final = Config(
    # "standard" backs off exponentially with jitter where AWS throttles, and gives up on what
    # will not get better.
    retries={"mode": "standard", "total_max_attempts": 5},
    connect_timeout=5,
    read_timeout=60,
    # The checks before a deployment ask in parallel.
    max_pool_connections=32,
)

APART: Final = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
"""boto3's options that ignore the user's profiles and files, for given settings."""

REFUSED: Final = (
    "AccessDenied",
    "AuthorizationError",
    "Forbidden",
    "UnauthorizedAccess",
    "UnauthorizedOperation",
    "403",
)
"""Beginnings of error codes for missing permission; each service has its own."""

OK: Final = 200
BUSY: Final = ("Throttl", "RequestLimitExceeded", "TooManyRequests", "ServiceUnavailable")
"""Beginnings of error codes for throttling and unavailable services, after all retries."""
IAM_PREFIXES: Final = {
    "efs": "elasticfilesystem",
    "service-quotas": "servicequotas",
    "stepfunctions": "states",
}
OPERATIONS: Final = {"list_aws_default_service_quotas": "ListAWSDefaultServiceQuotas"}
"""Operations whose names cannot be derived from boto3's method names."""
ACTIONS: Final = {
    ("s3", "get_bucket_encryption"): "s3:GetEncryptionConfiguration",
    ("s3", "get_bucket_lifecycle_configuration"): "s3:GetLifecycleConfiguration",
    ("s3", "get_public_access_block"): "s3:GetBucketPublicAccessBlock",
    ("s3", "head_bucket"): "s3:ListBucket",
    ("budgets", "describe_budget"): "budgets:ViewBudget",
    ("budgets", "describe_notifications_for_budget"): "budgets:ViewBudget",
    ("budgets", "describe_subscribers_for_notification"): "budgets:ViewBudget",
}
"""Calls whose IAM action differs from their name (S3 User Guide, 2026-11-23; service authorization
reference, read 2026-11-27)."""


SIGN_IN: Final = (
    "; sign in with `aws sso login` or `aws configure`, or name a profile in AWS_PROFILE"
)
REGION: Final = f"{SIGN_IN}; or enable the Region in the account"
NETWORK: Final = "; look at the network, its proxy (HTTPS_PROXY), and AWS_ENDPOINT_URL if it is set"
CONFIG: Final = "; correct ~/.aws/config, or the file that AWS_CONFIG_FILE names"
WHAT_TO_DO: Final = {
    **dict.fromkeys(("NoCredentialsError", "PartialCredentialsError"), SIGN_IN),
    **dict.fromkeys(("CredentialRetrievalError", "TokenRetrievalError"), SIGN_IN),
    **dict.fromkeys(("UnauthorizedSSOTokenError", "SSOTokenLoadError"), SIGN_IN),
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException"), SIGN_IN),
    **dict.fromkeys(("InvalidClientTokenId", "UnrecognizedClientException"), REGION),
    **dict.fromkeys(("EndpointConnectionError", "ConnectTimeoutError"), NETWORK),
    **dict.fromkeys(("ProxyConnectionError", "SSLError"), NETWORK),
    **dict.fromkeys(("ConfigParseError", "InvalidConfigError"), CONFIG),
    "InvalidEndpoint": "; correct AWS_ENDPOINT_URL, or unset it",
    "ProfileNotFound": "; `aws configure list-profiles` lists those that there are",
}
"""What the user can do about an error, by its code; it is added to AWS's message."""


class Cloud(Protocol):
    """Protocol for API calls to an account in a Region; tests implement it."""

    def ask(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Return the answer of one operation, all of its pages together.

        Raises:
            CloudError: where AWS refuses the call or cannot be reached.
        """


class CloudError(CommandError):
    """AWS refused a call, or could not be reached."""

    def __init__(
        self, service: str, operation: str, code: str, message: str, *, answered: bool = True
    ) -> None:
        self.answered = answered and not code.startswith(BUSY)
        """Whether AWS answered the question, so that it is neither throttled nor unreachable."""
        self.service = service
        self.operation = operation
        self.code = code
        self.message = message
        what_to_do = WHAT_TO_DO.get(code, "")
        super().__init__(f"{service} {operation}: {code}: {message}{what_to_do}")

    @property
    def refused(self) -> bool:
        """Whether the caller has no permission for the call."""
        return self.code.startswith(REFUSED)

    @property
    def no_stack(self) -> bool:
        """Whether CloudFormation says that it has no such stack."""
        return self.code == "ValidationError" and "does not exist" in self.message

    @property
    def action(self) -> str:
        """The IAM action that the call needs."""
        return iam_action(self.service, self.operation)


def iam_action(service: str, operation: str) -> str:
    """Return the IAM action of a call, for example `ec2:DescribeVpcs`."""
    words = operation.split("_")
    name = OPERATIONS.get(operation, "".join(word.capitalize() for word in words))
    prefix = IAM_PREFIXES.get(service, service)
    return ACTIONS.get((service, operation), f"{prefix}:{name}")


@dataclass(frozen=True)
class Caller:
    """The caller's account, Region and ARN."""

    account: str
    arn: str
    region: str = ""
    endpoint: str = ""
    """Endpoint that is used instead of AWS; empty for AWS itself."""

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn` or `aws-us-gov`."""
        return self.arn.split(":")[1]

    def document(self) -> dict[str, str]:
        """Return the caller for JSON output."""
        named = {"region": self.region, "account": self.account, "caller": self.arn}
        return {**named, "endpoint": self.endpoint}

    @property
    def place(self) -> str:
        """Account and Region as text, with the endpoint if it is not AWS."""
        where = f"account {self.account}, {self.region}"
        return f"{where} (emulated: {self.endpoint})" if self.endpoint else where


def caller_of(cloud: Cloud, region: str) -> Caller:
    """Return the caller.

    Raises:
        CloudError: if the account cannot be determined.
    """
    who = cloud.ask("sts", "get_caller_identity")
    return Caller(who["Account"], who["Arn"], region, os.environ.get("AWS_ENDPOINT_URL", ""))


def ask_unless(
    cloud: Cloud, codes: tuple[str, ...], service: str, operation: str, **parameters: Any
) -> dict[str, Any] | None:
    """Return an answer, None where AWS refuses the call by a code that begins with one of these."""
    try:
        return cloud.ask(service, operation, **parameters)
    except CloudError as error:
        if not error.code.startswith(codes):
            raise
        return None


@contextmanager
def _failing(service: str, operation: str, *, answered: bool = False) -> Iterator[None]:
    """Raise botocore's errors as CloudError."""
    try:
        yield
    except ClientError as error:
        said = error.response.get("Error", {})
        code, message = said.get("Code", "Unknown"), said.get("Message", "")
        raise CloudError(service, operation, code, message) from error
    except BotoCoreError as error:
        code = type(error).__name__
        raise CloudError(service, operation, code, str(error), answered=answered) from error


class Account:
    """AWS, or another endpoint, by boto3; thread-safe.

    Args:
        settings: AWS_* environment variables with endpoint, credentials and Region; None uses those
            of the process.
        account: the expected account id; None accepts any.

    Raises:
        CloudError: if the settings name a profile that does not exist.
        CommandError: if the credentials are of another account.
    """

    def __init__(
        self,
        region: str,
        settings: Mapping[str, str] | None = None,
        *,
        account: str | None = None,
    ) -> None:
        given = settings or {}
        self._endpoint_url = given.get("AWS_ENDPOINT_URL")
        with _failing("boto3", "session", answered=True):
            inner = botocore.session.Session(session_vars={**SESSION, **(APART if given else {})})
            models = reader(inner.get_config_variable("data_path"))
            inner.register_component("data_loader", models)
            self._session = boto3.Session(
                botocore_session=inner,
                region_name=region,
                aws_access_key_id=given.get("AWS_ACCESS_KEY_ID"),
                aws_secret_access_key=given.get("AWS_SECRET_ACCESS_KEY"),
                aws_session_token=given.get("AWS_SESSION_TOKEN"),
            )
            # Each session of boto3's adds its own folder.
            models.search_paths[:] = dict.fromkeys(models.search_paths)
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()
        if account and (caller := caller_of(self, region)).account != account:
            raise CommandError(
                f"the environment is for account {account}, and these credentials are of "
                f"{caller.account} ({caller.arn}); sign in there, or name a profile in AWS_PROFILE"
            )

    def ask(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Return the answer of one operation, all of its pages together."""
        with _failing(service, operation):
            client = self._client(service)
            answer: dict[str, Any]
            if client.can_paginate(operation):
                answer = client.get_paginator(operation).paginate(**parameters).build_full_result()
            else:
                answer = getattr(client, operation)(**parameters)
        return answer

    def get(self, service: str, signed_as: str, path: str) -> bytes:
        """Return the body of a signed GET request, for paths that have no SDK operation.

        Args:
            service: the service whose host is used.
            signed_as: the service name in the signature.
            path: path and query.

        Raises:
            CloudError: if the status is not 200, or there is no answer.
        """
        client = self._client(service)
        request = AWSRequest("GET", client.meta.endpoint_url.rstrip("/") + path)
        with _failing(service, "get"):
            credentials = self._session.get_credentials()
            if credentials is None:
                raise NoCredentialsError
            region = self._session.region_name
            SigV4Auth(credentials.get_frozen_credentials(), signed_as, region).add_auth(request)
            answer = URLLib3Session(timeout=RETRIES.read_timeout).send(request.prepare())
        if answer.status_code != OK:
            raise CloudError(service, "get", str(answer.status_code), answer.text[:200])
        found: bytes = answer.content
        return found

    def _client(self, service: str) -> Any:
        # A client may be used by several threads; a session may not.
        with self._making:
            if service not in self._clients:
                # An endpoint on loopback is reached without the shell's proxy.
                own = Config(proxies={}) if self._endpoint_url else None
                try:
                    self._clients[service] = self._session.client(
                        service,
                        endpoint_url=self._endpoint_url,
                        config=RETRIES.merge(own) if own else RETRIES,
                    )
                except ValueError as error:
                    words = str(error)
                    raise CloudError("boto3", "client", "InvalidEndpoint", words) from error
            return self._clients[service]
