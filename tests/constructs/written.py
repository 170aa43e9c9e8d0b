"""What constructs write by themselves, whatever they are given: values that decide something."""

from collections.abc import Mapping
from typing import Any, Final

DISK: Final = {"DeleteOnTermination": True, "Encrypted": True, "VolumeType": "gp3"}


def launch(hops: int, device: str, gib: int) -> dict[str, Any]:
    """Return what every launch template has: an encrypted disk, and metadata by a token."""
    return {
        "LaunchTemplateData": {
            "BlockDeviceMappings": [{"DeviceName": device, "Ebs": {**DISK, "VolumeSize": gib}}],
            "MetadataOptions": {
                "HttpEndpoint": "enabled",
                "HttpPutResponseHopLimit": hops,
                "HttpTokens": "required",
            },
            "Monitoring": {"Enabled": True},
        }
    }


def setting(name: str, value: str) -> dict[str, str]:
    return {"ParameterName": name, "ParameterValue": value}


PROGRAM: Final = "/opt/ultracluster/check.py"
WRITTEN: Final[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    "cost-budget": {
        "AWS::Budgets::Budget": {
            "Budget": {
                "BudgetType": "COST",
                "CostFilters": {"TagKeyValue": ["user:ultracluster:environment$dev"]},
                "CostTypes": {"IncludeCredit": False, "IncludeRefund": False},
                "TimeUnit": "MONTHLY",
            }
        }
    },
    "delivery-roles": {"AWS::IAM::Role": {"MaxSessionDuration": 4 * 3600}},
    "efa-launch-template": {"AWS::EC2::LaunchTemplate": launch(2, "/dev/xvda", 200)},
    "login-launch-template": {"AWS::EC2::LaunchTemplate": launch(1, "/dev/sda1", 100)},
    "home-storage": {
        "AWS::EFS::FileSystem": {
            "BackupPolicy": {"Status": "ENABLED"},
            "Encrypted": True,
            "LifecyclePolicies": [
                {"TransitionToIA": "AFTER_30_DAYS"},
                {"TransitionToPrimaryStorageClass": "AFTER_1_ACCESS"},
            ],
            "ThroughputMode": "elastic",
        }
    },
    # CloudFormation waits a minute longer than the function may take.
    "instance-health-checks": {
        "AWS::Lambda::Function": {"Handler": "index.handler", "Timeout": 900},
        "Custom::InstanceHealthChecks": {"ServiceTimeout": "960"},
    },
    "lustre": {
        "AWS::FSx::FileSystem": {
            "FileSystemTypeVersion": "2.15",
            "LustreConfiguration": {
                "DataCompressionType": "LZ4",
                "LogConfiguration": {"Level": "WARN_ERROR"},
            },
        },
        "AWS::FSx::DataRepositoryAssociation": {
            "BatchImportMetaDataOnCreate": True,
            "DataRepositoryPath": "s3://somebodys-data/data/",
            "FileSystemPath": "/data",
        },
    },
    "node-group": {
        "AWS::AutoScaling::AutoScalingGroup": {
            "HealthCheckGracePeriod": 900,
            "HealthCheckType": "EC2",
        }
    },
    "node-image": {
        "AWS::ImageBuilder::Component": {
            "Name": "dev-nodes",
            "Platform": "Linux",
            "SupportedOsVersions": ["Ubuntu 24"],
        },
        "AWS::ImageBuilder::ImageRecipe": {
            "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {**DISK, "VolumeSize": 100}}]
        },
        "AWS::ImageBuilder::ImagePipeline": {
            "ImageTestsConfiguration": {"ImageTestsEnabled": True, "TimeoutMinutes": 60},
            "Name": "dev-nodes",
        },
        "AWS::ImageBuilder::DistributionConfiguration": {"Name": "dev-nodes"},
        "AWS::ImageBuilder::InfrastructureConfiguration": {
            "InstanceMetadataOptions": {"HttpPutResponseHopLimit": 1, "HttpTokens": "required"},
            "InstanceTypes": ["m6i.2xlarge"],
            "TerminateInstanceOnFailure": True,
        },
    },
    "slurm-cluster": {
        "AWS::PCS::Cluster": {
            "Name": "somebodys-medium",
            "Scheduler": {"Type": "SLURM", "Version": "25.11"},
            "Size": "MEDIUM",
            "SlurmConfiguration": {
                "Accounting": {"Mode": "NONE"},
                "ScaleDownIdleTimeInSeconds": 600,
                "SlurmCustomSettings": [
                    setting("Prolog", PROGRAM),
                    setting("Epilog", PROGRAM),
                    setting("HealthCheckProgram", PROGRAM),
                    setting("HealthCheckInterval", "30"),
                    setting("HealthCheckNodeState", "ANY"),
                    setting("SchedulerParameters", "nohold_on_prolog_fail"),
                    setting("UnkillableStepTimeout", "180"),
                ],
            },
        }
    },
    "unattended-training": {
        "AWS::StepFunctions::StateMachine": {
            "LoggingConfiguration": {"IncludeExecutionData": True, "Level": "ALL"},
            "TracingConfiguration": {"Enabled": True},
        }
    },
}


def part_of(wanted: Any, found: Any) -> Any:
    """Return of what is found that which is wanted, to compare both."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return {name: part_of(value, found.get(name)) for name, value in wanted.items()}
    return found
