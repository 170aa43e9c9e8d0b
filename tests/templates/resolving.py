"""Short ways to resolve an expression, a template or several."""

from ultracluster.templates.resolution import Template, resolve


def variants(body, *, region="us-east-1", **parameters):
    """Return the variants of one template that is called `t`."""
    return resolve([Template("t", body)], parameters=parameters, region=region)


def properties(body, logical_id="R", *, region="us-east-1", **parameters):
    """Return the properties of a resource in the only variant of a template."""
    (variant,) = variants(body, region=region, **parameters)
    (found,) = [r for r in variant.resources if r.place.logical_id == logical_id]
    return found.properties


def value(expression, *, region="us-east-1", sections=None, **parameters):
    """Return what an expression gives in a template with a resource `Other` beside it."""
    resources = {
        "R": {"Type": "AWS::Test::One", "Properties": {"V": expression, "W": 1}},
        "Other": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
        **(sections or {}).get("Resources", {}),
    }
    body = {**(sections or {}), "Resources": resources}
    return properties(body, region=region, **parameters).get("V")
