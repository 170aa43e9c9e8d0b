"""Every statement in plain words, with what a reviewer must look at marked."""

import pytest

from tests.review.goldens import escalations, golden, resolved, statements
from ultracluster.model.model import Model
from ultracluster.review.access.rights import ways as ways_known
from ultracluster.review.access.statement import Level, level, matching

TRUST = {
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "ec2.amazonaws.com"},
        }
    ]
}


def role(*allowed, name="R", trust=TRUST, **more):
    """Return the resources of a role with statements."""
    return {
        name: {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": trust,
                "Policies": [{"PolicyName": "p", "PolicyDocument": {"Statement": list(allowed)}}],
                **more,
            },
        }
    }


def may(*actions, on="*", **more):
    """Return a statement that allows."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": on, **more}


def of(*resources):
    """Return templates of one stack."""
    return {"S": {"Resources": {k: v for part in resources for k, v in part.items()}}}


@pytest.mark.parametrize("environment", ["dev", "staging", "ultracluster"])
def test_no_statement_of_an_environment_is_left_out(environment):
    """Counted apart: every `Effect` that is written in the templates."""
    templates = golden(environment)

    def effects(value):
        if isinstance(value, dict):
            return ("Effect" in value) + sum(effects(inner) for inner in value.values())
        return sum(effects(item) for item in value) if isinstance(value, list) else 0

    found = [s for s in statements(templates) if not s.property.startswith("ManagedPolicyArns")]
    assert len(found) == effects(templates)
    assert all(s.sentence and s.who for s in found)


@pytest.mark.parametrize("environment", ["dev", "staging", "ultracluster"])
def test_our_own_environments_have_the_ways_that_they_are_for(environment):
    """Who launches jobs passes them their role, or sends them to a login node; no more is open."""
    found = escalations(golden(environment))
    sent = [way for way in found if way.actions == ("ssm:SendCommand",)]
    # Where Slurm is, the launcher sends its jobs to a login node.
    assert [way.who for way in sent] == ([] if environment == "dev" else ["LauncherRole"])
    assert {way.severity for way in sent} <= {"medium"}
    passed = [way for way in found if way not in sent]
    assert "LauncherRole" in {way.who for way in passed}
    for way in passed:
        assert way.actions == ("iam:PassRole", "sagemaker:CreateTrainingJob")
        assert way.towards == ("the role ExecutionRole",)
        assert way.severity == "medium"
        assert "iam:PassRole only to SageMaker" in way.limited_by


def test_our_own_environment_has_no_high_warning():
    """No action of every service, nothing public, no other account."""
    found = [warning for s in statements(golden()) for warning in s.warnings]
    assert {warning.severity for warning in found} <= {"low", "medium"}
    assert not [w for w in found if w.concern in ("outside", "trust")]


def test_a_statement_says_who_may_do_what_on_what_and_when():
    """References are the constructs that they mean, across stacks as well."""
    every = statements(golden("dev"))
    found = {s.sid: s for s in every if s.sid}
    data = next(s for s in every if s.sid == "ReadAndWriteData" and "Node" in s.who[0])
    assert data.sentence == (
        "the role NodeRole may write (s3:AbortMultipartUpload, s3:PutObject), read (s3:GetObject) "
        "on everything in the bucket Data"
    )
    assert found["PassExecutionRole"].sentence == (
        "the role LauncherRole may pass (iam:PassRole) on the role ExecutionRole to SageMaker"
    )
    assert found["UseInterfaces"].may[0][0] is Level.PERMISSIONS


def test_conditions_that_every_reviewer_knows_are_read_as_one_phrase():
    """Who a condition leaves of "anybody" is who may; without TLS everybody is refused."""
    found = [s.sentence for s in statements(golden("dev"))]
    assert (
        "the FSx service role AWSServiceRoleForFSxS3Access_fs-* may use (kms:Decrypt, kms:Encrypt, "
        "kms:GenerateDataKey*, kms:ReEncrypt*, kms:DescribeKey) on the key Key through S3"
    ) in found
    assert "denied to everyone without TLS: s3:* on the bucket Data and everything in it" in found


def test_a_policy_that_is_written_elsewhere_is_said():
    """What is not in the templates is not passed over."""
    found = [s for s in statements(golden()) if s.property.startswith("ManagedPolicyArns")]
    assert ["AWSLambdaBasicExecutionRole" in s.sentence for s in found] == [True]
    assert found[0].warnings[0].concern == "unknown"


@pytest.mark.parametrize(
    ("statement", "concern", "severity"),
    [
        (may("*"), "wildcard", "high"),
        (may("s3:*"), "wildcard", "high"),
        (may("s3:Get*", on="arn:aws:s3:::b"), "wildcard", "low"),
        (may("s3:PutObject"), "wildcard", "medium"),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, "wildcard", "high"),
        (may("s3:GetObjekt", on="arn:aws:s3:::b/*"), "unknown", "medium"),
        (may("iam:CreatePolicyVersion"), "escalation", "high"),
        (may("iam:PassRole", "ec2:RunInstances"), "escalation", "high"),
    ],
)
def test_what_a_reviewer_must_look_at_is_marked(statement, concern, severity):
    """Wildcards, misspelt actions and ways to more rights."""
    found = [m for s in statements(of(role(statement))) for m in s.warnings if s.kind == "identity"]
    assert (concern, severity) in {(m.concern, m.severity) for m in found}


def test_an_action_that_cannot_be_limited_is_not_called_wide():
    """`Resource: *` is all that IAM takes for some actions."""
    found = statements(of(role(may("ec2:DescribeVpcs", "ecr:GetAuthorizationToken"))))
    assert [m for s in found for m in s.warnings] == []


@pytest.mark.parametrize(
    ("principal", "condition", "concern"),
    [
        ("*", None, "public"),
        ({"AWS": "*"}, {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, "public"),
        ({"AWS": "arn:aws:iam::" + "1" * 12 + ":root"}, None, "outside"),
        ({"Service": "sagemaker.amazonaws.com"}, None, "trust"),
    ],
)
def test_who_is_trusted_without_a_guard_is_marked(principal, condition, concern):
    """Anybody, another account, or a service that acts for whoever asks it."""
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
    if condition:
        statement["Condition"] = condition
    found = statements(of(role(may("s3:ListBucket", on="arn:x"), trust={"Statement": statement})))
    warnings = [m for s in found if s.kind == "trust" for m in s.warnings]
    assert [m.concern for m in warnings] == [concern]
    assert warnings[0].severity == (
        "high" if principal == "*" else "low" if condition else "medium"
    )


def test_a_service_that_is_told_for_whom_is_not_marked():
    """The guard against the confused deputy is seen."""
    statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
    }
    found = statements(of(role(may("s3:ListBucket", on="arn:x"), trust={"Statement": [statement]})))
    assert [m for s in found for m in s.warnings] == []


def ways(*resources):
    """Return the names of the ways to more, with whom they lead to."""
    return {(e.who, e.name): e for e in escalations(of(*resources))}


STRONG = role(may("s3:*"), name="Strong")


def test_a_passed_role_must_trust_the_service():
    """A role that EC2 cannot take is no way for an instance."""
    mine = role(
        may("iam:PassRole", on={"Fn::GetAtt": ["Strong", "Arn"]}),
        may("ec2:RunInstances"),
        name="Mine",
    )
    lambda_only = role(
        may("s3:*"),
        name="Strong",
        trust={
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": "sts:AssumeRole",
                    "Principal": {"Service": "lambda.amazonaws.com"},
                }
            ]
        },
    )
    assert ways(mine, STRONG)["Mine", "instance in a passed role"].towards == ("the role Strong",)
    assert ways(mine, lambda_only) == {}


def test_a_role_is_not_taken_for_one_whose_name_begins_alike():
    """iam:PassRole on the role Stronger passes no role Strong."""
    mine = role(
        may("iam:PassRole", on={"Fn::GetAtt": ["Stronger", "Arn"]}),
        may("ec2:RunInstances"),
        name="Mine",
    )
    stronger = role(may("s3:*"), name="Stronger")
    found = ways(mine, STRONG, stronger)["Mine", "instance in a passed role"]
    assert found.towards == ("the role Stronger",)


def test_a_role_passed_to_one_service_is_no_way_by_another():
    """iam:PassedToService is evaluated."""
    guarded = may(
        "iam:PassRole", Condition={"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    )
    found = ways(role(guarded, may("ec2:RunInstances"), name="Mine"), STRONG)
    assert found == {}


def test_a_denial_closes_a_way():
    """What is denied whatever the circumstances is not allowed elsewhere."""
    denied = {"Effect": "Deny", "Action": "iam:*", "Resource": "*"}
    assert (
        ways(role(may("*"), denied, name="Mine"), STRONG).keys()
        & {
            ("Mine", "new version of a policy"),
            ("Mine", "instance in a passed role"),
        }
        == set()
    )


def test_a_role_with_no_more_than_oneself_is_a_low_way():
    """What is gained decides how much it matters."""
    both = may("s3:GetObject", on="arn:aws:s3:::b/*")
    mine = role(
        both,
        may("iam:PassRole", on={"Fn::GetAtt": ["Weak", "Arn"]}),
        may("ec2:RunInstances"),
        name="Mine",
    )
    assert (
        ways(mine, role(both, name="Weak"))["Mine", "instance in a passed role"].severity == "low"
    )


def test_roles_that_are_taken_one_after_the_other_are_followed():
    """A may take B, and B may take C."""

    def trusted(by):
        return {
            "Statement": {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"AWS": {"Fn::GetAtt": [by, "Arn"]}},
            }
        }

    found = escalations(
        of(
            role(may("s3:ListBucket", on="arn:x"), name="A"),
            role(may("s3:ListBucket", on="arn:x"), name="B", trust=trusted("A")),
            role(may("s3:*"), name="C", trust=trusted("B")),
        )
    )
    chains = {(e.who, e.says) for e in found}
    assert ("A", "assume the role B and then the role C") in chains
    assert ("B", "assume the role C") in chains


def test_what_runs_in_a_role_is_a_way_to_it():
    """Who changes the code of a function does what the function may."""
    function = {
        "F": {
            "Type": "AWS::Lambda::Function",
            "Properties": {"Role": {"Fn::GetAtt": ["Strong", "Arn"]}},
        }
    }
    found = ways(role(may("lambda:UpdateFunctionCode"), name="Mine"), STRONG, function)
    assert found["Mine", "code of a function"].towards == ("the role Strong",)


def test_the_administrators_policy_is_a_way_to_everything():
    """Its statements are not in the templates, and everybody knows them."""
    admin = role(
        may("s3:ListBucket", on="arn:x"),
        ManagedPolicyArns=["arn:aws:iam::aws:policy/AdministratorAccess"],
    )
    assert [e.severity for e in escalations(of(admin))] == ["high"]


def test_policies_of_every_kind_of_resource_are_found():
    """Buckets, keys, topics, queues, secrets, endpoints, images: also as JSON in a text."""
    body = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}
    kinds = {
        "AWS::S3::BucketPolicy": ("PolicyDocument", body),
        "AWS::KMS::Key": ("KeyPolicy", body),
        "AWS::SNS::TopicPolicy": ("PolicyDocument", body),
        "AWS::SQS::QueuePolicy": ("PolicyDocument", body),
        "AWS::SecretsManager::ResourcePolicy": ("ResourcePolicy", body),
        "AWS::EC2::VPCEndpoint": ("PolicyDocument", body),
        "AWS::ECR::Repository": ("RepositoryPolicyText", body),
        "AWS::EFS::FileSystem": ("FileSystemPolicy", body),
        "AWS::Logs::ResourcePolicy": (
            "PolicyDocument",
            '{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*"}]}',
        ),
    }
    templates = of(
        *(
            {f"R{i}": {"Type": t, "Properties": {p: v}}}
            for i, (t, (p, v)) in enumerate(kinds.items())
        )
    )
    found = statements(templates)
    assert len(found) == len(kinds)
    assert all(s.kind == "resource" and s.who == ("anybody",) for s in found)


def test_levels_are_those_of_the_reference():
    """By the reference: what a pattern stands for can at most do what one of its actions can."""
    assert level("s3:GetObject") is Level.READ
    assert level("s3:Put*") is Level.PERMISSIONS
    assert level("sagemaker:AddTags") is Level.TAGGING
    assert level("nobody:Knows") is Level.UNKNOWN
    assert "s3:getobject" in matching("s3:Get*")


def test_malformed_policies_are_no_stack_trace():
    """A foreign template may hold anything where a policy belongs."""
    broken = {
        "A": {
            "Type": "AWS::IAM::Role",
            "Properties": {"Policies": "x", "AssumeRolePolicyDocument": 3},
        },
        "B": {
            "Type": "AWS::IAM::Policy",
            "Properties": {"PolicyDocument": {"Statement": [None, 3, {}]}},
        },
        "C": {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {"PolicyDocument": {"Statement": {"Action": {}}}},
        },
        "D": {
            "Type": "AWS::IAM::Policy",
            "Properties": {"PolicyDocument": '{not json "Statement"'},
        },
        "E": {
            "Type": "AWS::KMS::Key",
            "Properties": {"KeyPolicy": {"Statement": [{"Principal": 5, "Condition": [1]}]}},
        },
    }
    assert statements({"S": {"Resources": broken}})
    assert escalations({"S": {"Resources": broken}}) == ()
    assert [len(Model(v).statements) for v in resolved({"S": {"Resources": broken}}).variants] == [
        3
    ]


def test_the_ways_are_made_of_actions_that_exist():
    """A way with a misspelt action would never be found."""
    actions = {action for way in ways_known() for action in way.actions}
    retired = {a for a in actions if level(a) is Level.UNKNOWN}
    assert retired == set()
    assert len({way.name for way in ways_known()}) == len(ways_known())
