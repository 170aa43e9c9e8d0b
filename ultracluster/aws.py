"""The gateway to AWS: the only module that imports boto3."""

import os
import threading
from collections.abc import Mapping
from typing import Any, Final, Protocol

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ultracluster.exit_status import CommandError

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

    def __init__(self, service: str, operation: str, code: str, message: str) -> None:
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


class Account:
    """AWS, or what answers in its place, by boto3. Several threads may ask at once.

    Args:
        settings: environment variables that name endpoint, credentials and Region, as the AWS
            SDKs read them; None takes what the process has.

    Raises:
        CloudError: where the settings name a profile that does not exist.
    """

    def __init__(self, region: str, settings: Mapping[str, str] | None = None) -> None:
        given = settings or {}
        self._endpoint_url = given.get("AWS_ENDPOINT_URL")
        try:
            self._session = boto3.Session(
                botocore_session=botocore.session.Session(session_vars=APART if given else None),
                region_name=region,
                aws_access_key_id=given.get("AWS_ACCESS_KEY_ID"),
                aws_secret_access_key=given.get("AWS_SECRET_ACCESS_KEY"),
                aws_session_token=given.get("AWS_SESSION_TOKEN"),
            )
        except BotoCoreError as error:
            name = type(error).__name__
            raise CloudError("boto3", "session", name, str(error)) from error
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()

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
            raise CloudError(service, operation, type(error).__name__, str(error)) from error
        return answer

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
