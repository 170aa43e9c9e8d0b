"""A JSON schema validator with the keywords that the registry's schemas add to draft 7."""

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft7Validator, ValidationError
from jsonschema.validators import extend


def _exactly_one(_: Any, names: list[str], instance: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(instance, Mapping) and len([name for name in names if name in instance]) != 1:
        yield ValidationError(f"exactly one of [{', '.join(names)}] is required")


def _at_least_one(_: Any, names: list[str], instance: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(instance, Mapping) and not any(name in instance for name in names):
        yield ValidationError(f"at least one of [{', '.join(names)}] is required")


def _excluded(
    _: Any, rules: Mapping[str, list[str]], instance: Any, __: Any
) -> Iterator[ValidationError]:
    for name, others in rules.items():
        clash = [other for other in others if isinstance(instance, Mapping) and other in instance]
        if clash and name in instance:
            yield ValidationError(f"[{name}] cannot be given with [{', '.join(clash)}]")


def _dependent(
    _: Any, rules: Mapping[str, list[str]], instance: Any, __: Any
) -> Iterator[ValidationError]:
    for name, others in rules.items():
        if isinstance(instance, Mapping) and name in instance:
            missing = [other for other in others if other not in instance]
            if missing:
                yield ValidationError(f"[{name}] needs [{', '.join(missing)}]")


RegistryValidator: Any = extend(
    Draft7Validator,
    {
        "requiredXor": _exactly_one,
        "requiredOr": _at_least_one,
        "dependentExcluded": _excluded,
        "dependentRequired": _dependent,
    },
)
