"""Roles for a GitHub workflow: to read, to prepare a delivery, and to execute it."""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from constructs_lib.permissions import add_policy, allow, arn, role_by_aws
from ultracluster.spec.environment import NAME, STACKS

ISSUER: Final = "token.actions.githubusercontent.com"
AUDIENCE: Final = "sts.amazonaws.com"
READS: Final = ("SecurityAudit", "AWSCloudFormationReadOnlyAccess")
"""AWS managed policies that read configurations (AWS managed policy reference, read 2026-11-27).
UNVERIFIED whether they hold every call of a proof: `ultracluster prove` names those that are
refused."""
AWS_MAINTAINS: Final = "AWS extends these policies as services come; a copy would go blind."
OWN_STACKS: Final = "CloudFormation ends the ARN of a stack with an id that it chooses."
QUALIFIER: Final = "@aws-cdk/core:bootstrapQualifier"
PATTERN: Final = set("*?: ")


class DeliveryRoles(Construct):
    """Define three roles for jobs of a GitHub workflow that deploys an environment.

    `look` is for pull requests: it only reads. `prepare` is for the deployed branch: it publishes
    assets and creates change sets, and cannot execute them. `execute` is for the GitHub environment
    of the same name, whose reviewers approve: it executes change sets and cannot create any, so
    that only what `prepare` created and a reviewer approved is deployed.

    Trust policies have no patterns: the subjects of tokens are compared exactly (GitHub Docs,
    "OpenID Connect reference", read 2026-11-27).

    Args:
        repository: the repository as the subject of its tokens has it between `repo:` and the next
            colon: `owner/name` where it was made before 2026-06-18 and never renamed since, and
            with numeric ids where it is newer. GitHub's documents show `owner@1/name@2` and
            `owner-1/name-2` for those (both read 2026-11-27), so read one token of your own before
            you write it here.
        environment: the environment's name.
        branch: the branch that may prepare deployments.
        provider: the account's OIDC provider of GitHub, of which there can be one; None defines it.
            Pass that one to the roles of further environments.
        qualifier: the qualifier of the CDK bootstrap stack; None takes that of cdk.json. If you
            give a stack's synthesizer another one, write it here as well: Python cannot read it
            from there.
        permissions_boundary: permissions boundary of the three roles.

    Raises:
        ValueError: if the repository or the environment is not an exact name.
    """

    look: iam.Role
    """The role for pull requests; it may only read."""
    prepare: iam.Role
    """The role that may publish assets and create change sets."""
    execute: iam.Role
    """The role that may execute change sets."""
    provider: iam.IOidcProvider
    """The OIDC provider of GitHub in the account."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        repository: str,
        environment: str,
        branch: str = "main",
        provider: iam.IOidcProvider | None = None,
        qualifier: str | None = None,
        permissions_boundary: iam.IManagedPolicy | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        if repository.count("/") != 1 or PATTERN & {*repository}:
            raise ValueError(
                f"repository: got {repository!r}; write it as the subject of its tokens has it, "
                "owner/name for example, without patterns"
            )
        if not NAME.fullmatch(environment):
            raise ValueError(f"environment: got {environment!r}; write the name of an environment")
        stack = cdk.Stack.of(self)
        self.provider = provider or iam.OidcProviderNative(
            self, "GitHub", url=f"https://{ISSUER}", client_ids=[AUDIENCE]
        )
        self._boundary = permissions_boundary
        subjects = {
            "Look": "pull_request",
            "Prepare": f"ref:refs/heads/{branch}",
            "Execute": f"environment:{environment}",
        }
        self.look, self.prepare, self.execute = (
            self._role(name, f"repo:{repository}:{subject}", environment)
            for name, subject in subjects.items()
        )
        # An environment staging-2 has stack names with the same beginning.
        stacks = [arn(self, "cloudformation", f"stack/{environment}-{part}/*") for part in STACKS]
        of_app = self.node.try_get_context(QUALIFIER)
        named = qualifier or of_app or cdk.DefaultStackSynthesizer.DEFAULT_QUALIFIER
        place = f"{stack.account}-{stack.region}"
        publishing, execution = (
            arn(self, "iam", f"role/cdk-{named}-{name}-role-{place}", region="")
            for name in ("file-publishing", "cfn-exec")
        )
        for_stacks = {"StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}}
        drift = ("cloudformation:DetectStackDrift", "cloudformation:DetectStackResourceDrift")
        change_sets = ("cloudformation:CreateChangeSet", "cloudformation:DeleteChangeSet")
        may = {
            self.prepare: [
                allow("ChangeSets", *change_sets, *drift, on=stacks),
                allow("Publish", "sts:AssumeRole", on=publishing),
                allow("Deploy", "iam:PassRole", on=execution, where=for_stacks),
            ],
            self.execute: [allow("Execute", "cloudformation:ExecuteChangeSet", *drift, on=stacks)],
        }
        for role, statements in may.items():
            add_policy(
                self,
                f"{role.node.id}Policy",
                role,
                statements,
                dict.fromkeys(stacks, OWN_STACKS),
                description=f"Delivery of {environment}",
            )

    def _role(self, name: str, subject: str, environment: str) -> iam.Role:
        trusted = {"StringEquals": {f"{ISSUER}:aud": AUDIENCE, f"{ISSUER}:sub": subject}}
        return role_by_aws(
            self,
            name,
            READS,
            AWS_MAINTAINS,
            description=f"Delivery of {environment}: {subject}",
            assumed_by=iam.WebIdentityPrincipal(self.provider.oidc_provider_arn, trusted),
            permissions_boundary=self._boundary,
            # A Lustre file system or a cluster is updated for longer than an hour.
            max_session_duration=cdk.Duration.hours(4),
        )
