"""The gateway to AWS: the only module that imports boto3."""

import os
import threading
from collections.abc import Mapping
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
"""Where settings are given, no profile and no file of the user's has a say."""

REFUSED: Final = (
    "AccessDenied",
    "AuthorizationError",
    "Forbidden",
    "UnauthorizedAccess",
    "UnauthorizedOperation",
    "403",
)
"""How error codes begin that say that the caller may not ask; each service has its own."""

OK: Final = 200
BUSY: Final = ("Throttl", "RequestLimitExceeded", "TooManyRequests", "ServiceUnavailable")
"""How error codes begin that say nothing of what was asked, after every attempt."""
IAM_PREFIXES: Final = {
    "efs": "elasticfilesystem",
    "service-quotas": "servicequotas",
    "stepfunctions": "states",
}
OPERATIONS: Final = {"list_aws_default_service_quotas": "ListAWSDefaultServiceQuotas"}
"""Operations whose names are not the words of the method."""
ACTIONS: Final = {
    ("s3", "get_bucket_encryption"): "s3:GetEncryptionConfiguration",
    ("s3", "get_bucket_lifecycle_configuration"): "s3:GetLifecycleConfiguration",
    ("s3", "get_public_access_block"): "s3:GetBucketPublicAccessBlock",
    ("s3", "head_bucket"): "s3:ListBucket",
    ("budgets", "describe_budget"): "budgets:ViewBudget",
    ("budgets", "describe_notifications_for_budget"): "budgets:ViewBudget",
    ("budgets", "describe_subscribers_for_notification"): "budgets:ViewBudget",
}
"""Calls that another action permits than the one of their name (S3 User Guide, 2026-11-23; service
authorization reference, read 2026-11-27)."""


NO_CREDENTIALS: Final = (
    "; sign in with `aws sso login` or `aws configure`, or name a profile in AWS_PROFILE"
)
WHAT_TO_DO: Final = {
    **dict.fromkeys(
        (
            *("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"),
            *("TokenRetrievalError", "UnauthorizedSSOTokenError", "SSOTokenLoadError"),
            *("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId"),
        ),
        NO_CREDENTIALS,
    ),
    "ProfileNotFound": "; `aws configure list-profiles` lists those that there are",
}
"""What a user does about an error, by its code; added to AWS's own message."""


class Cloud(Protocol):
    """An account in a Region that answers API calls. Tests just answer."""

    def ask(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Return the answer of one operation, all of its pages together.

        Raises:
            CloudError: where AWS refuses the call or cannot be reached.
        """


class CloudError(CommandError):
    """A call that AWS refused, with its code and message."""

    def __init__(
        self, service: str, operation: str, code: str, message: str, *, answered: bool = True
    ) -> None:
        self.answered = answered and not code.startswith(BUSY)
        """Whether AWS said anything of what was asked."""
        self.service = service
        self.operation = operation
        self.code = code
        self.message = message
        what_to_do = WHAT_TO_DO.get(code, "")
        super().__init__(f"{service} {operation}: {code}: {message}{what_to_do}")

    @property
    def refused(self) -> bool:
        """Whether the caller lacks the permission to ask."""
        return self.code.startswith(REFUSED)

    @property
    def action(self) -> str:
        """The IAM action that the call needs."""
        return iam_action(self.service, self.operation)


def iam_action(service: str, operation: str) -> str:
    """Return the IAM action that permits a call, `ec2:DescribeVpcs` for example."""
    words = operation.split("_")
    name = OPERATIONS.get(operation, "".join(word.capitalize() for word in words))
    prefix = IAM_PREFIXES.get(service, service)
    return ACTIONS.get((service, operation), f"{prefix}:{name}")


@dataclass(frozen=True)
class Caller:
    """Who asks, and whom."""

    account: str
    arn: str
    region: str = ""
    endpoint: str = ""
    """What answers in AWS's place; empty where it is AWS."""

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn` or `aws-us-gov`."""
        return self.arn.split(":")[1]

    def document(self) -> dict[str, str]:
        """Return the same for programs."""
        named = {"region": self.region, "account": self.account, "caller": self.arn}
        return {**named, "endpoint": self.endpoint}

    @property
    def place(self) -> str:
        """The account and Region, and whether AWS itself answers."""
        where = f"account {self.account}, {self.region}"
        return f"{where} (emulated: {self.endpoint})" if self.endpoint else where


def caller_of(cloud: Cloud, region: str) -> Caller:
    """Return who asks.

    Raises:
        CommandError: where nobody says which account it is.
    """
    try:
        who = cloud.ask("sts", "get_caller_identity")
    except CloudError as error:
        raise CommandError(
            f"{error}; give credentials and a Region that the account has enabled "
            f"(aws sts get-caller-identity --region {region})"
        ) from error
    return Caller(who["Account"], who["Arn"], region, os.environ.get("AWS_ENDPOINT_URL", ""))


class Account:
    """AWS, or what answers in its place, by boto3. Several threads may ask at once.

    Args:
        settings: environment variables that name endpoint, credentials and Region, as the AWS
            SDKs read them; None takes what the process has.
        account: the account that it has to be; None takes any.

    Raises:
        CloudError: where the settings name a profile that does not exist.
        CommandError: where it is another account than it has to be.
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
        try:
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
        except BotoCoreError as error:
            name = type(error).__name__
            raise CloudError("boto3", "session", name, str(error)) from error
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()
        if account and (caller := caller_of(self, region)).account != account:
            raise CommandError(
                f"the environment is for account {account}, and these credentials are of "
                f"{caller.account} ({caller.arn}); sign in there, or name a profile in AWS_PROFILE"
            )

    def ask(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Return the answer of one operation, all of its pages together."""
        try:
            client = self._client(service)
            if client.can_paginate(operation):
                pages = client.get_paginator(operation).paginate(**parameters)
                answer: dict[str, Any] = pages.build_full_result()
                return answer
            answer = getattr(client, operation)(**parameters)
        except ClientError as error:
            detail = error.response.get("Error", {})
            raise CloudError(
                service, operation, detail.get("Code", "Unknown"), detail.get("Message", "")
            ) from error
        except BotoCoreError as error:
            name = type(error).__name__
            raise CloudError(service, operation, name, str(error), answered=False) from error
        return answer

    def get(self, service: str, signed_as: str, path: str) -> bytes:
        """Return what lies at a path of a service's host that no operation of the SDK asks for.

        Args:
            service: whose host is asked.
            signed_as: the name that the request is signed for.
            path: with its query.

        Raises:
            CloudError: where the answer is no 200, or there is none.
        """
        client = self._client(service)
        request = AWSRequest("GET", client.meta.endpoint_url.rstrip("/") + path)
        try:
            credentials = self._session.get_credentials()
            if credentials is None:
                raise NoCredentialsError
            region = self._session.region_name
            SigV4Auth(credentials.get_frozen_credentials(), signed_as, region).add_auth(request)
            answer = URLLib3Session(timeout=RETRIES.read_timeout).send(request.prepare())
        except BotoCoreError as error:
            name = type(error).__name__
            raise CloudError(service, "get", name, str(error), answered=False) from error
        if answer.status_code != OK:
            raise CloudError(service, "get", str(answer.status_code), answer.text[:200])
        found: bytes = answer.content
        return found

    def _client(self, service: str) -> Any:
        # A client may be used by several threads; a session may not.
        with self._making:
            if service not in self._clients:
                # What answers on loopback is reached directly, whatever proxy this shell has.
                own = Config(proxies={}) if self._endpoint_url else None
                self._clients[service] = self._session.client(
                    service,
                    endpoint_url=self._endpoint_url,
                    config=RETRIES.merge(own) if own else RETRIES,
                )
            return self._clients[service]
