"""Slurm, HyperPod and single instances: how many there are, and what ends when they change."""

import pytest

from tests.review.goldens import changes
from ultracluster.review.changes.change import Danger


def slurm(most=512, size="LARGE", version="1", subnets=("subnet-1",)):
    """Return a Slurm cluster with one group of nodes."""
    return {
        "S": {
            "Resources": {
                "Controller": {
                    "Type": "AWS::PCS::Cluster",
                    "Properties": {"Size": size, "Networking": {"SubnetIds": ["subnet-1"]}},
                },
                "Nodes": {
                    "Type": "AWS::PCS::ComputeNodeGroup",
                    "Properties": {
                        "ClusterId": {"Fn::GetAtt": ["Controller", "Id"]},
                        "InstanceConfigs": [{"InstanceType": "p4d.24xlarge"}],
                        "CustomLaunchTemplate": {"TemplateId": "lt-1", "Version": version},
                        "ScalingConfiguration": {"MinInstanceCount": 0, "MaxInstanceCount": most},
                        "SubnetIds": list(subnets),
                    },
                },
                "Queue": {
                    "Type": "AWS::PCS::Queue",
                    "Properties": {"ClusterId": {"Fn::GetAtt": ["Controller", "Id"]}},
                },
            }
        }
    }


def hyperpod(count=16, recovery="Automatic"):
    """Return a HyperPod cluster."""
    return {
        "S": {
            "Resources": {
                "Pod": {
                    "Type": "AWS::SageMaker::Cluster",
                    "Properties": {
                        "NodeRecovery": recovery,
                        "InstanceGroups": [{"InstanceGroupName": "a", "InstanceCount": count}],
                    },
                }
            }
        }
    }


@pytest.mark.parametrize(
    ("before", "after", "worst", "says"),
    [
        (slurm(), slurm(most=256), Danger.REDUCES_CAPACITY, "256 p4d.24xlarge (2,048 A100)"),
        (slurm(most=256), slurm(), Danger.COSTS_MORE, "512 p4d.24xlarge (4,096 A100)"),
        (slurm(), slurm(version="2"), Danger.INTERRUPTS, "launched from now on"),
        (hyperpod(), hyperpod(recovery="None"), Danger.REDUCES_CAPACITY, "no longer replaced"),
        # What HyperPod does with running nodes is not known: a reader is told to look.
        (hyperpod(), hyperpod(count=8), Danger.CANNOT_TELL, "updated in place"),
    ],
)
def test_nodes_of_clusters_are_counted(before, after, worst, says):
    """Fewer are less capacity, more cost more, and others are made anew."""
    (change,) = changes(before, after)
    assert change.worst is worst, change.dangers
    assert says in change.what


def test_a_bigger_controller_is_a_new_one_with_new_queues_and_nodes():
    """Size is create-only; node groups and queues are made with the cluster's id."""
    found = changes(slurm(size="SMALL"), slurm())
    assert [c.resource for c in found] == ["Controller", "Nodes", "Queue"]
    assert all(c.dangers[0] is Danger.REPLACES for c in found)
    assert "job records" in found[0].what
    assert "with the jobs on them" in found[1].what


def test_an_instance_is_stopped_or_made_anew_by_what_changes():
    """A type is changed by a stop, an image only by another instance."""

    def instance(**properties):
        return {"S": {"Resources": {"I": {"Type": "AWS::EC2::Instance", "Properties": properties}}}}

    (stopped,) = changes(instance(InstanceType="m5.large"), instance(InstanceType="m5.xlarge"))
    (made,) = changes(instance(ImageId="ami-1"), instance(ImageId="ami-2"))
    assert stopped.worst is Danger.INTERRUPTS
    assert made.worst is Danger.REPLACES
