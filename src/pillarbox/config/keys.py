"""The schema as a list of keys: what `messages` and `describe` look things up in.

Rules: everything is read from the schema's own declarations, so that nothing can be described that is not there, or be
there and not be described. A key here has no list positions and no domain names: `listener.port`, `domains.*.maildir`.
"""

from __future__ import annotations

import functools
import types
import typing
from dataclasses import dataclass
from typing import Any, Literal

from pydantic.fields import FieldInfo

from pillarbox.config.fields import Section, whole
from pillarbox.config.problem import Path

ANY_NAME = "*"
"""Stands in a key for a name that the administrator chooses, such as a domain."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting or section of the schema.

    Attributes:
        key: its dotted key.
        doc: its sentence of doc.
        kind: what a value must be, to follow "must be".
        default: the value when the file does not name it; None where it must, and for sections.
        example: a value that can be written.
        required: the file must name it.
        derived: the default depends on other settings of the same table, as the doc says.
        section: the model of its table, or None for a plain setting.
        repeated: the section is a list of tables ([[…]]).
        named: the section is a table of tables by name.
    """

    key: str
    doc: str
    kind: str
    default: Any  # Any: a setting's value has whatever type the schema gives it
    example: Any  # Any: as `default`
    required: bool
    derived: bool = False
    section: type[Section] | None = None
    repeated: bool = False
    named: bool = False


def _section_of(annotation: Any) -> type[Section] | None:
    """The model inside `annotation`. `Any`: annotations have no common type."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    for inner in typing.get_args(annotation):
        found = _section_of(inner)
        if found:
            return found
    return None


def _kind(field: FieldInfo, given: str) -> str:
    if given:
        return given
    annotation = field.annotation
    if typing.get_origin(annotation) is Literal:
        return " or ".join(f'"{choice}"' for choice in typing.get_args(annotation))
    if annotation is bool:
        return "true or false, without quotes"
    bounds = {type(item).__name__: item for item in field.metadata}
    least, most = whole(bounds["Ge"].ge), whole(bounds["Le"].le)
    noun = "a whole number" if annotation is int else "a number"
    return f"{noun} from {least} to {most}"


def _setting(key: str, field: FieldInfo) -> Setting:
    extra = typing.cast("dict[str, Any]", field.json_schema_extra)  # Any: pydantic's own type for it
    section = _section_of(field.annotation)
    origin = typing.get_origin(field.annotation)
    takes_data = bool(field.default_factory_takes_validated_data)
    default = None
    if not field.is_required() and not takes_data:
        default = field.get_default(call_default_factory=True)
    example = extra["example"]
    return Setting(
        key=key,
        doc=field.description or "",
        kind="a table" if section and not extra["kind"] else _kind(field, extra["kind"]),
        default=default,
        example=default if example is None else example,
        required=field.is_required(),
        derived=takes_data,
        section=section,
        repeated=origin is tuple and section is not None,
        named=origin is dict,
    )


def _walk(model: type[Section], prefix: str) -> typing.Iterator[Setting]:
    for name, field in model.model_fields.items():
        found = _setting(prefix + name, field)
        yield found
        if found.section:
            yield from _walk(found.section, found.key + (f".{ANY_NAME}." if found.named else "."))


@functools.cache
def settings_by_key(root: type[Section]) -> types.MappingProxyType[str, Setting]:
    """Every setting and section by its key, in the schema's order."""
    return types.MappingProxyType({found.key: found for found in _walk(root, "")})


def find(path: Path, root: type[Section]) -> Setting | None:
    """The setting that stands at `path`, or the innermost one around it; None for what no setting is around.

    A path may go deeper than the schema, into the elements of a list.
    """
    found = None
    key = ""
    for part in path:
        if isinstance(part, int):
            continue
        if found and found.named and not key.endswith(ANY_NAME):
            part = ANY_NAME
        key = f"{key}.{part}" if key else part
        found = settings_by_key(root).get(key, found)
    return found


def names_at(path: Path, root: type[Section]) -> list[str]:
    """The keys that a file may have in the table at `path`; none where a table's names are free."""
    if not path:
        return list(root.model_fields)
    found = find(path, root)
    if found is None or found.section is None or (found.named and path[-1] == found.key):
        return []
    return list(found.section.model_fields)
