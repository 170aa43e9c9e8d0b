"""One API call that reads, for boto3 and as the same call of the AWS CLI."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

CLI_SERVICES: Final = {"s3": "s3api"}
IAM_PREFIXES: Final = {"service-quotas": "servicequotas"}
OPERATIONS: Final = {"list_aws_default_service_quotas": "ListAWSDefaultServiceQuotas"}
"""Operations whose names are not the words of the method."""
ACTIONS: Final = {("s3", "get_bucket_encryption"): "s3:GetEncryptionConfiguration"}
"""Calls that another action permits than the one of their name (S3 User Guide, 2026-11-23)."""
PAGES: Final = ("MaxResults",)
"""What concerns paging alone, which the CLI does by itself."""


@dataclass(frozen=True)
class Question:
    """A call that reads."""

    service: str
    operation: str
    parameters: Mapping[str, Any]

    @property
    def key(self) -> str:
        """What is the same for two questions that have one answer."""
        return f"{self.service} {self.operation} {json.dumps(self.parameters, sort_keys=True)}"

    @property
    def action(self) -> str:
        words = self.operation.split("_")
        name = OPERATIONS.get(self.operation, "".join(word.capitalize() for word in words))
        prefix = IAM_PREFIXES.get(self.service, self.service)
        return ACTIONS.get((self.service, self.operation), f"{prefix}:{name}")

    def command(self, region: str) -> str:
        words = [
            "aws",
            CLI_SERVICES.get(self.service, self.service),
            self.operation.replace("_", "-"),
        ]
        for name, value in self.parameters.items():
            if name not in PAGES:
                words += [f"--{option(name)}", *_values(value)]
        return shlex.join([*words, "--region", region])


def question(service: str, operation: str, **parameters: Any) -> Question:
    """Return a question, with its parameters as boto3 has them."""
    return Question(service, operation, parameters)


def option(name: str) -> str:
    """Return a parameter's name as an option of the CLI: `VpcId` as `vpc-id`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name)
    return re.sub(r"(?<=[A-Z])(?=[A-Z][a-z])", "-", words).lower()


def _values(value: Any) -> list[str]:
    if isinstance(value, list):
        return [text for item in value for text in _values(item)]
    if isinstance(value, Mapping):
        parts = (f"{key}={','.join(_values(item))}" for key, item in value.items())
        return [",".join(parts)]
    return [str(value)]
