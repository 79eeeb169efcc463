"""Pinterest's own OpenAPI document as a judge of requests and answers; skips where it is not at hand."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

PATH = Path(__file__).parents[4] / "shared" / "specs" / "pinterest-v5.openapi.json"


@cache
def document() -> dict[str, Any]:
    if not PATH.exists():
        pytest.skip("Pinterest's OpenAPI document is not part of this repository")
    found: dict[str, Any] = json.loads(PATH.read_text())
    return found


def answer_errors(method: str, template: str, status: int, value: Any) -> list[str]:
    """What is wrong with an answer; a status that the document does not list for the call is wrong, too."""
    responses = document()["paths"][template][method]["responses"]
    response = responses.get(str(status)) or (responses.get("default") if status >= 400 else None)
    if response is None:
        return [f"{method} {template} does not answer {status}"]
    content = response.get("content")
    if content is None:
        return [] if value is None else [f"{method} {template} answers {status} without a body"]
    return schema_errors(content["application/json"]["schema"], value)


def request_errors(method: str, template: str, query: dict[str, str], body: Any) -> list[str]:
    """What is wrong with a request: unknown or missing parameters, and the body."""
    operation = document()["paths"][template][method]
    listed = [*document()["paths"][template].get("parameters", []), *operation.get("parameters", [])]
    parameters = {p["name"]: p for p in map(_resolved, listed) if p["in"] == "query"}
    found = [f"{template} has no parameter {name}" for name in query if name not in parameters]
    found += [f"{template} needs {n}" for n, p in parameters.items() if p.get("required") and n not in query]
    for name in query.keys() & parameters.keys():
        found += schema_errors(parameters[name]["schema"], _typed(parameters[name]["schema"], query[name]))
    if "requestBody" in operation:
        found += schema_errors(operation["requestBody"]["content"]["application/json"]["schema"], body)
    elif body is not None:
        found.append(f"{method} {template} takes no body")
    return found


def named_errors(name: str, value: Any) -> list[str]:
    return schema_errors({"$ref": f"#/components/schemas/{name}"}, value)


def schema_errors(schema: Any, value: Any) -> list[str]:
    validator = Draft202012Validator(_strict(schema))
    return [f"{'/'.join(map(str, e.path))}: {e.message[:300]}" for e in validator.iter_errors(value)]


def _resolved(node: Any) -> Any:
    while isinstance(node, dict) and "$ref" in node:
        found: Any = document()
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def _strict(node: Any) -> Any:
    """OpenAPI 3.0 as JSON Schema: references and `allOf` merged into one, `nullable` written out, and objects
    with properties take no others."""
    node = _resolved(node)
    if isinstance(node, list):
        return [_strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    merged = {key: value for key, value in node.items() if key not in ("allOf", "discriminator", "example")}
    for part in node.get("allOf", ()):
        part = _flat(part)
        for key in ("properties", "required"):
            if key in part:
                empty: Any = {} if key == "properties" else []
                base = merged.get(key, empty)
                merged[key] = {**base, **part[key]} if key == "properties" else [*base, *part[key]]
        merged = {**{k: v for k, v in part.items() if k not in ("properties", "required")}, **merged}
    found = {key: _strict(value) if key != "enum" else value for key, value in merged.items()}
    if "properties" in merged:
        found["properties"] = {name: _strict(value) for name, value in merged["properties"].items()}
        found.setdefault("additionalProperties", False)
    if all("enum" in choice for choice in found.get("oneOf", ({},))):
        found["anyOf"] = found.pop("oneOf")  # words that two of its lists share would never be one
    if found.pop("nullable", False):
        found = {"anyOf": [found, {"type": "null"}]}
    return found


def _flat(part: Any) -> Any:
    """A member of an `allOf` with its own members merged, not yet strict."""
    part = dict(_resolved(part))
    for inner in part.pop("allOf", ()):
        inner = _flat(inner)
        properties = {**part.get("properties", {}), **inner.get("properties", {})}
        required = [*part.get("required", []), *inner.get("required", [])]
        part = {**inner, **part}
        if properties:
            part["properties"] = properties
        if required:
            part["required"] = required
    part.pop("discriminator", None)
    part.pop("example", None)
    return part


def _typed(schema: Any, text: str) -> Any:
    schema = _resolved(schema)
    kinds = [schema, *map(_resolved, schema.get("allOf", ()))]
    kind = next((k["type"] for k in kinds if "type" in k), "string")
    if kind == "array":
        return [_typed(schema["items"], part) for part in text.split(",")]
    if kind in ("integer", "number", "boolean"):
        return json.loads(text)
    return text
