"""AWS's wire formats, driven by the service models that botocore ships.

Answers are written, and requests read, by the same models that boto3 and the CLI use, so a
service needs no XML or JSON code of its own: it takes and returns plain values in the API's names.
Two protocols are enough here: `ec2` (query parameters in, XML out) and `json`.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count, takewhile
from typing import Any, Final
from uuid import uuid4
from xml.etree.ElementTree import Element, SubElement, tostring

import botocore.parsers
import botocore.serialize

from ultracluster.emulator.provisioning import Scope, ServiceError, ec2_refusal
from ultracluster.service_model import model, problems

Arguments = Mapping[str, Any]
Operation = Callable[[Scope, Arguments], Mapping[str, Any]]
"""One API operation: request members in, response members out."""

Flat = Mapping[str, Sequence[str]]
"""Query parameters as a web server decodes them."""

VALUE: Final = ""
"""Where a tree of parameters has the value of a name that ends there."""
EC2_NAMESPACE: Final = "http://ec2.amazonaws.com/doc/2016-11-15/"


def json_answer(
    service: str, operations: Mapping[str, Operation], target: str, body: bytes, scope: Scope
) -> tuple[int, bytes]:
    """Answer one request of the JSON protocol."""
    name = target.rsplit(".", 1)[-1]
    operation = operations.get(name)
    if operation is None:
        return _json_error("UnknownOperationException", f"{service}:{name} is not emulated")
    shapes = model(service).operation_model(name)
    try:
        arguments = json.loads(body or b"{}")
        require_sound(service, name, arguments)
        result = operation(scope, arguments)
    except ServiceError as error:
        return _json_error(error.code, error.message)
    return 200, json.dumps(_plain(shapes.output_shape, result)).encode()


def answer_members(service: str, operation: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of an answer as JSON holds them."""
    shape = model(service).operation_model(operation).output_shape
    plain: dict[str, Any] = _plain(shape, result)
    return plain


def ec2_arguments(operation: str, flat: Flat) -> dict[str, Any]:
    """Return the request members that query parameters carry."""
    shape, tree = model("ec2").operation_model(operation).input_shape, dict[str, Any]()
    for key, values in flat.items():
        node = tree
        for part in key.split("."):
            node = node.setdefault(part, {})
        node[VALUE] = values[0]
    result: dict[str, Any] = _read(shape, tree) if shape else {}
    return result


def ec2_answer(operation: str, result: Mapping[str, Any]) -> bytes:
    """Return an EC2 answer as XML."""
    root = Element(f"{operation}Response", {"xmlns": EC2_NAMESPACE})
    shape = model("ec2").operation_model(operation).output_shape
    if shape is not None:
        _fill(root, shape, result)
    return _document(root, "requestId")


def ec2_error(error: ServiceError) -> bytes:
    """Return an EC2 error as XML."""
    root = Element("Response")
    inner = SubElement(SubElement(root, "Errors"), "Error")
    SubElement(inner, "Code").text = error.code
    SubElement(inner, "Message").text = error.message
    return _document(root, "RequestID")


def _document(root: Element, identifier: str) -> bytes:
    SubElement(root, identifier).text = str(uuid4())
    text: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def ec2_request(operation: str, arguments: Arguments) -> dict[str, list[str]]:
    """Return the query parameters of an EC2 call, as boto3 would send them."""
    serializer = botocore.serialize.create_serializer("ec2", include_validation=False)
    given = {name: value for name, value in arguments.items() if value is not None}
    request = serializer.serialize_to_request(given, model("ec2").operation_model(operation))
    return {name: [_text(value)] for name, value in request["body"].items()}


def ec2_result(operation: str, status: int, body: bytes) -> dict[str, Any]:
    """Return the members of an EC2 answer, as boto3 would.

    Raises:
        ServiceError: where the answer is an error.
    """
    parser = botocore.parsers.create_parser("ec2")
    shape = model("ec2").operation_model(operation).output_shape
    parsed: dict[str, Any] = parser.parse(
        {"body": body, "headers": {}, "status_code": status}, shape
    )
    if "Error" in parsed:
        raise ec2_refusal(parsed["Error"]["Code"], parsed["Error"]["Message"])
    return parsed


def xml_request(service: str, operation: str, arguments: Arguments) -> bytes:
    """Return the XML body of a call of the `rest-xml` protocol, as boto3 would send it."""
    serializer = botocore.serialize.create_serializer("rest-xml", include_validation=False)
    request = serializer.serialize_to_request(arguments, model(service).operation_model(operation))
    body: bytes = request["body"]
    return body


def camel(value: Any) -> Any:
    """Return a value with member names as the newer JSON APIs have them, `likeThis`.

    CloudFormation names the same members `LikeThis`; names of tags stay as they are.
    """
    if isinstance(value, Mapping):
        return {
            key[:1].lower() + key[1:]: item if key in ("Tags", "ResourceTags") else camel(item)
            for key, item in value.items()
        }
    return [camel(item) for item in value] if isinstance(value, list) else value


def require_sound(service: str, operation: str, arguments: Arguments) -> None:
    """Refuse arguments that the service's own model does not allow."""
    found = [str(problem) for problem in problems(service, operation, arguments)]
    if found:
        raise ServiceError(service, "ValidationException", "; ".join(found))


def _json_error(code: str, message: str) -> tuple[int, bytes]:
    return 400, json.dumps({"__type": code, "message": message, "Message": message}).encode()


def _plain(shape: Any, value: Any) -> Any:
    """Return a value as JSON holds it; members that the model does not have are left out."""
    if shape is None:
        return {}
    if shape.type_name == "structure":
        return {
            member.serialization.get("name", name): _plain(member, value[name])
            for name, member in shape.members.items()
            if isinstance(value, Mapping) and value.get(name) is not None
        }
    if shape.type_name == "list":
        return [_plain(shape.member, item) for item in value]
    if shape.type_name == "map":
        return {str(key): _plain(shape.value, item) for key, item in value.items()}
    if shape.type_name == "timestamp" and shape.serialization.get("timestampFormat") != "iso8601":
        return _moment(value).timestamp()
    return PLAIN.get(shape.type_name, lambda same: same)(value)


def _fill(parent: Element, shape: Any, value: Mapping[str, Any]) -> None:
    for name, member in shape.members.items():
        if value.get(name) is not None:
            tag = member.serialization.get("name", name)
            _write(SubElement(parent, tag), member, value[name])


def _write(element: Element, shape: Any, value: Any) -> None:
    if shape.type_name == "structure":
        _fill(element, shape, value)
    elif shape.type_name == "list":
        for item in value:
            _write(SubElement(element, "item"), shape.member, item)
    elif shape.type_name == "timestamp":
        element.text = _iso(value)
    elif shape.type_name == "blob" and isinstance(value, bytes):
        element.text = base64.b64encode(value).decode()
    else:
        element.text = _text(value)


def _read(shape: Any, node: dict[str, Any]) -> Any:
    """Return what parameters hold, as a tree by the parts of their names."""
    if shape.type_name == "structure":
        names = {name: _query_name(name, member) for name, member in shape.members.items()}
        return {n: _read(shape.members[n], node[key]) for n, key in names.items() if key in node}
    if shape.type_name == "list":
        present = takewhile(node.__contains__, map(str, count(1)))
        return [_read(shape.member, node[number]) for number in present]
    text = node[VALUE]
    if shape.type_name in ("integer", "long"):
        return int(text)
    if shape.type_name in ("double", "float"):
        return float(text)
    return text.lower() == "true" if shape.type_name == "boolean" else text


def _query_name(name: str, shape: Any) -> str:
    serialization = shape.serialization
    if "queryName" in serialization:
        return str(serialization["queryName"])
    wire_name = str(serialization.get("name", name))
    return wire_name[:1].upper() + wire_name[1:]


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    return datetime.fromisoformat(str(value))


def _iso(value: Any) -> str:
    return _moment(value).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


PLAIN: Final[Mapping[str, Callable[[Any], Any]]] = {
    "timestamp": _iso,
    "integer": int,
    "long": int,
    "double": float,
    "float": float,
}
