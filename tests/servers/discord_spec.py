"""Holds a body against Discord's own OpenAPI description, where the description is at hand."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import best_match
from jsonschema.validators import extend
from referencing import Registry
from referencing.jsonschema import DRAFT202012

NAME = "discord-openapi.json"
_HOME = "urn:discord"


def find() -> Path | None:
    """The description in `EASEL_SPECS`, else in `../shared/specs` beside the repository; None where there is none."""
    repository = Path(__file__).resolve().parents[2]
    folders = [Path(os.environ["EASEL_SPECS"])] if os.environ.get("EASEL_SPECS") else []
    for folder in [*folders, repository.parent / "shared" / "specs"]:
        if (folder / NAME).is_file():
            return folder / NAME
    return None


@functools.cache
def load() -> Spec | None:
    path = find()
    return Spec(json.loads(path.read_text())) if path else None


class Spec:
    """Validators are made when first needed and kept."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        # discord.py sends snowflakes as numbers in places; Discord reads both.
        document["components"]["schemas"]["SnowflakeType"] = {"type": ["string", "integer"], "pattern": "^[0-9]+$"}
        self._say_which_kind(document)
        resource = DRAFT202012.create_resource(document)
        self._registry: Registry[Any] = Registry().with_resource(_HOME, resource)
        self._validators: dict[tuple[str, str], Any] = {}

    def problems(self, method: str, path: str, body: object) -> list[str]:
        """What Discord's description has against this body; [] too where it describes no body for the path."""
        key = method.lower(), path
        if key not in self._validators:
            self._validators[key] = self._validator(*key)
        validator = self._validators[key]
        if validator is None:
            return []
        error = best_match(validator.iter_errors(body))
        return [] if error is None else [f"{error.json_path}: {error.message[:300]}"]

    def _validator(self, method: str, path: str) -> Any:
        request = self._document["paths"].get(path, {}).get(method, {}).get("requestBody")
        if request is None:
            return None
        pointer = "/".join(
            ["paths", _escaped(path), method, "requestBody", "content", _escaped("application/json"), "schema"]
        )
        return _Validator({"$ref": f"{_HOME}#/{pointer}"}, registry=self._registry)

    def _say_which_kind(self, schema: Any) -> None:
        """Unions told apart by `type` are looked up by it: quicker, and an error names the real fault."""
        for child in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
            self._say_which_kind(child)
        if isinstance(schema, dict):
            for union in ("oneOf", "anyOf"):
                kinds = self._kinds(schema.get(union))
                if kinds:
                    del schema[union]
                    schema["x-by-type"] = kinds

    def _kinds(self, members: Any) -> dict[int, Any]:
        found: dict[int, Any] = {}
        for member in members if isinstance(members, list) else ():
            name = member.get("$ref", "").removeprefix("#/components/schemas/") if isinstance(member, dict) else ""
            kind = self._document["components"]["schemas"].get(name, {}).get("properties", {}).get("type", {})
            if not kind.get("enum"):
                return {}
            for value in kind["enum"]:
                found[value] = member
        return found


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")


def _by_type(validator: Any, kinds: dict[int, Any], instance: Any, schema: Any) -> Iterator[ValidationError]:
    kind = instance.get("type") if isinstance(instance, dict) else None
    if kind not in kinds:
        yield ValidationError(f"type {kind!r} is not one of {sorted(kinds)}")
    else:
        yield from validator.descend(instance, kinds[kind])


_Validator: Any = extend(Draft202012Validator, {"x-by-type": _by_type})  # type: ignore[no-untyped-call]
