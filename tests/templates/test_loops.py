"""`Fn::ForEach`, wherever it may stand."""

from typing import Any

from tests.templates.resolving import properties, variants
from ultracluster.templates.resolution import Template, resolve
from ultracluster.templates.resolved import Link, Unknown


def by_name(body, **parameters):
    (variant,) = variants(body, **parameters)
    return {r.place.logical_id: r.properties for r in variant.resources}


def test_a_loop_over_resources_makes_each():
    """A rule sees four interfaces where a template writes one."""
    body = {
        "Parameters": {"Cards": {"Type": "CommaDelimitedList", "Default": "0,1"}},
        "Resources": {
            "Fn::ForEach::Interfaces": [
                "Card",
                {"Ref": "Cards"},
                {
                    "Interface${Card}": {
                        "Type": "AWS::EC2::NetworkInterface",
                        "Properties": {
                            "Index": {"Ref": "Card"},
                            "Name": {"Fn::Sub": "card ${Card} in ${AWS::Region}"},
                            "Next": {"Fn::GetAtt": ["Interface${Card}", "Id"]},
                        },
                    }
                },
            ]
        },
    }
    assert by_name(body) == {
        f"Interface{card}": {
            "Index": card,
            "Name": f"card {card} in us-east-1",
            "Next": Link("t", f"Interface{card}", "Id"),
        }
        for card in ("0", "1")
    }
    assert set(by_name(body, Cards="5")) == {"Interface5"}


def test_loops_within_loops_and_names_without_punctuation():
    """`&{}` leaves out what no logical id can have."""
    body = {
        "Resources": {
            "Fn::ForEach::Outer": [
                "Zone",
                ["use1-az4", "use1-az6"],
                {
                    "Fn::ForEach::Inner": [
                        "Kind",
                        ["a", "b"],
                        {"S&{Zone}${Kind}": {"Type": "T", "Properties": {"Zone": {"Ref": "Zone"}}}},
                    ]
                },
            ]
        }
    }
    assert by_name(body) == {
        "Suse1az4a": {"Zone": "use1-az4"},
        "Suse1az4b": {"Zone": "use1-az4"},
        "Suse1az6a": {"Zone": "use1-az6"},
        "Suse1az6b": {"Zone": "use1-az6"},
    }


def test_a_loop_within_properties_makes_keys():
    """Also where other keys stand beside it."""
    body = {
        "Resources": {
            "R": {
                "Type": "T",
                "Properties": {
                    "Tags": {
                        "Fixed": 1,
                        "Fn::ForEach::More": ["X", ["a", "b"], {"Tag${X}": {"Ref": "X"}}],
                    }
                },
            }
        }
    }
    assert properties(body)["Tags"] == {"Fixed": 1, "Taga": "a", "Tagb": "b"}


def test_loops_within_properties_do_not_take_values_of_each_other():
    """What a loop makes is gone once it is resolved: another one's was taken for it."""

    def loop(name, count):
        entries = {f"T{n}${{X}}": {"Fn::Join": ["-", [name, "${X}"]]} for n in range(count)}
        return {f"Fn::ForEach::{name}": ["X", ["a", "b", "c"], entries]}

    counts = {f"R{n}": n % 5 + 1 for n in range(40)}
    body = {"Resources": {r: {"Type": "T", "Properties": loop(r, n)} for r, n in counts.items()}}

    for name, values in by_name(body).items():
        made = {f"T{n}{item}": f"{name}-{item}" for item in "abc" for n in range(counts[name])}
        assert values == made


def test_a_parameter_that_decides_a_loop_by_a_condition_keeps_its_default():
    """The loop is unrolled once: with another value it would be another choice's."""
    items = {"Fn::If": ["Large", ["a", "b"], ["a"]]}
    name = {"Fn::If": ["Large", "large", "small"]}
    body = {
        "Parameters": {"Size": {"Default": "small", "AllowedValues": ["small", "large"]}},
        "Conditions": {"Large": {"Fn::Equals": [{"Ref": "Size"}, "large"]}},
        "Resources": {
            "Fn::ForEach::L": ["X", items, {"R${X}": {"Type": "T"}}],
            "S": {"Type": "T", "Properties": {"Name": name}},
        },
    }
    (found,) = resolve([Template("t", body)], parameters={}, region=None, every_value=True)

    made = {r.place.logical_id: r.properties for r in found.resources}
    assert made == {"Ra": {}, "S": {"Name": "small"}}


def test_loops_over_conditions_and_outputs():
    """A condition that a loop makes is a condition, and an output can be imported."""
    made = {
        "Conditions": {
            "Fn::ForEach::C": ["X", ["a", "b"], {"Is${X}": {"Fn::Equals": [{"Ref": "X"}, "a"]}}]
        },
        "Resources": {
            "R": {
                "Type": "T",
                "Properties": {"V": [{"Fn::If": ["Isa", 1, 0]}, {"Fn::If": ["Isb", 1, 0]}]},
            }
        },
        "Outputs": {
            "Fn::ForEach::O": [
                "X",
                ["a", "b"],
                {"Out${X}": {"Value": {"Ref": "X"}, "Export": {"Name": {"Fn::Sub": "e-${X}"}}}},
            ]
        },
    }
    user = {
        "Resources": {"R": {"Type": "T", "Properties": {"V": {"Fn::ImportValue": "e-b"}}}},
    }
    (variant,) = resolve(
        [Template("made", made), Template("user", user)], parameters={}, region=None
    )
    assert [r.properties["V"] for r in variant.resources] == [[1, 0], "b"]


def test_a_loop_of_unknown_length_stands_once_and_says_so():
    """How often it exists is unknown, so nothing in it can pass or fail."""
    body = {
        "Parameters": {"Names": {"Type": "CommaDelimitedList"}},
        "Resources": {
            "Fn::ForEach::L": [
                "X",
                {"Ref": "Names"},
                {"R${X}": {"Type": "T", "Properties": {"V": {"Ref": "X"}}}},
            ],
            "S": {
                "Type": "T",
                "Properties": {"V": {"Fn::ForEach::M": ["X", {"Ref": "Names"}, {"k${X}": 1}]}},
            },
        },
    }
    found = by_name(body)

    because = "it is not known what {} runs over: parameter Names has no default"
    assert found["R${X}"]["V"] == Unknown(because.format("Fn::ForEach::L"))
    assert found["S"]["V"] == Unknown(because.format("Fn::ForEach::M"))


def test_a_loop_that_is_malformed_is_unknown():
    """Nothing of it is known, not even which resources it makes."""
    broken = [
        None,
        [],
        ["X", ["a"]],
        [1, ["a"], {}],
        ["X", ["a"], "body"],
        ["X", "a", {"R": {"Type": "T"}}],
        ["X", [["a"]], {"R": {"Type": "T"}}],
    ]
    for loop in broken:
        (found,) = by_name({"Resources": {"Fn::ForEach::L": loop}}).values()
        assert "Fn::ForEach::L" in found["V"].because


def test_a_loop_that_grows_without_end_is_cut():
    """Three loops of a hundred are a million resources; no stack holds them."""
    inner: dict[str, Any] = {"R${A}${B}${C}": {"Type": "T"}}
    numbers = [str(i) for i in range(100)]
    for name in "CBA":
        inner = {f"Fn::ForEach::{name}": [name, numbers, inner]}
    found = by_name({"Resources": inner})

    assert len(found) < 10_000
    assert any("more than" in str(p.get("V")) for p in found.values())


def test_lines_of_a_loop_are_lines_of_what_it_makes():
    """There is only one place to mend."""
    body = {"Resources": {"Fn::ForEach::L": ["X", ["a"], {"R${X}": {"Type": "T"}}]}}
    template = Template("t", body, "t.yaml", {"Fn::ForEach::L": 7})
    (variant,) = resolve([template], parameters={}, region=None)

    assert (variant.resources[0].place.file, variant.resources[0].place.line) == ("t.yaml", 7)
