"""A second, naive evaluator of functions of which everything is known; nothing of ours in it.

It calls itself without bound, knows no unknown value and no second template, and is written from
the CloudFormation reference alone.
"""

import base64
import ipaddress
import json
import re


class Naive:
    """Evaluates expressions of one template whose parameters all have values."""

    def __init__(self, body, region):
        self.body = body
        self.names = {name: p["Default"] for name, p in body["Parameters"].items()}
        for name, declared in body["Parameters"].items():
            if declared["Type"] == "CommaDelimitedList":
                self.names[name] = declared["Default"].split(",")
        self.names["AWS::Region"] = region
        self.names["AWS::Partition"] = "aws"
        self.functions = {
            "Ref": self._ref,
            "Fn::Join": self._join,
            "Fn::Sub": self._sub,
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::If": self._if,
            "Fn::FindInMap": self._find_in_map,
            "Fn::Base64": self._base64,
            "Fn::Length": self._length,
            "Fn::ToJsonString": self._to_json,
            "Fn::Cidr": self._cidr,
        }

    def __call__(self, raw):
        """Return the value of an expression."""
        if isinstance(raw, list):
            return [self(item) for item in raw]
        if not isinstance(raw, dict):
            return raw
        if len(raw) == 1:
            ((name, argument),) = raw.items()
            if name in self.functions:
                return self.functions[name](argument)
        return {key: self(value) for key, value in raw.items()}

    @staticmethod
    def _written(value):
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value)

    def _ref(self, name):
        return self.names[name]

    def _join(self, argument):
        return argument[0].join(self._written(item) for item in self(argument[1]))

    def _sub(self, argument):
        text, extra = argument if isinstance(argument, list) else (argument, {})

        def one(match):
            name = match[1]
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            return self._written(self(extra[name]) if name in extra else self.names[name])

        return re.sub(r"\$\{([^}]*)\}", one, text)

    def _select(self, argument):
        return self(argument[1])[int(self(argument[0]))]

    def _split(self, argument):
        return self._written(self(argument[1])).split(argument[0])

    def _if(self, argument):
        return self(argument[1] if self.holds({"Condition": argument[0]}) else argument[2])

    def _find_in_map(self, argument):
        one, two, three = (self(part) for part in argument[:3])
        found = self.body["Mappings"].get(one, {}).get(two, {}).get(three)
        return self(argument[3]["DefaultValue"]) if found is None else found

    def _base64(self, argument):
        return base64.b64encode(self._written(self(argument)).encode()).decode()

    def _length(self, argument):
        return len(self(argument))

    def _to_json(self, argument):
        return json.dumps(self(argument), separators=(",", ":"), ensure_ascii=False)

    def _cidr(self, argument):
        block, count, bits = (self(part) for part in argument)
        every = ipaddress.ip_network(block).subnets(new_prefix=32 - int(bits))
        return [str(next(every)) for _ in range(int(count))]

    def holds(self, condition):
        """Return whether a condition holds."""
        ((name, argument),) = condition.items()
        if name == "Condition":
            return self.holds(self.body["Conditions"][argument])
        if name == "Fn::Not":
            return not self.holds(argument[0])
        if name == "Fn::And":
            return all(self.holds(part) for part in argument)
        if name == "Fn::Or":
            return any(self.holds(part) for part in argument)
        left, right = (self(part) for part in argument)
        return self._written(left) == self._written(right)
