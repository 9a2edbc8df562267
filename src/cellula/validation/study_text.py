"""The text of a study file with its amendment written in: comments and layout stay as they are."""

from __future__ import annotations

import json
from pathlib import Path

import tomlkit
import yaml
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Table

from cellula.core.errors import StudyError
from cellula.validation.study import Amendment, Study, parse_study

__all__ = ["amended", "amended_text"]


def amended(study: Study, version: int, amendment: Amendment) -> Study:
    """The study with another version and amendment."""
    header = study.study.model_copy(update={"version": version})
    return study.model_copy(update={"study": header, "amendment": amendment})


def amended_text(content: bytes, name: str, version: int, amendment: Amendment) -> bytes:
    """The bytes of a study file with ``study.version`` and the table ``amendment`` as given.

    The result is parsed again and must be the same study but for these two. Raises StudyError,
    telling what to write by hand, where the form of the file does not allow the edit.
    """
    text = content.decode()
    expected = amended(parse_study(content, name), version, amendment)
    try:
        if Path(name).suffix.lower() == ".toml":
            new = _toml(text, version, amendment)
        else:
            new = _yaml(text, version, amendment)
        if "\r\n" in text and text.count("\n") == text.count("\r\n"):
            new = new.replace("\r\n", "\n").replace("\n", "\r\n")
        is_right = parse_study(new.encode(), name) == expected
    except (TOMLKitError, yaml.YAMLError, StudyError) as error:
        raise _by_hand(name, version, amendment) from error
    if not is_right:
        raise _by_hand(name, version, amendment)
    return new.encode()


def _by_hand(name: str, version: int, amendment: Amendment) -> StudyError:
    return StudyError(
        f"{name} is written in a form that cannot be edited; write by hand: study.version = "
        f'{version}, amendment.amends = "{amendment.amends}" and amendment.reason = '
        f"{json.dumps(amendment.reason, ensure_ascii=False)}"
    )


def _toml(text: str, version: int, amendment: Amendment) -> str:
    document = tomlkit.parse(text)
    header = document["study"]
    if not isinstance(header, Table):
        raise StudyError("study is no table of its own")
    header["version"] = version
    told = document.get("amendment")
    if told is None:
        table = tomlkit.table()
        table.update(amendment.model_dump())
        document.append("amendment", table)
    else:
        for key, value in amendment.model_dump().items():
            told[key] = value
    return tomlkit.dumps(document)


def _yaml(text: str, version: int, amendment: Amendment) -> str:
    """Edits by the places that the parser gives of every value, the last place first."""
    root = yaml.compose(text, yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise StudyError("no mapping")
    keys = {key.value: value for key, value in root.value}
    edits = [_edit(text, keys["study"], "version", str(version))]
    values = {
        key: json.dumps(value, ensure_ascii=False) for key, value in amendment.model_dump().items()
    }
    if "amendment" in keys:
        edits += [_edit(text, keys["amendment"], key, value) for key, value in values.items()]
    else:
        inside = ", ".join(f"{key}: {value}" for key, value in values.items())
        edits.append(_edit(text, root, "amendment", f"{{ {inside} }}"))
    for start, stop, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[stop:]
    return text


def _edit(text: str, mapping: yaml.Node, key: str, value: str) -> tuple[int, int, str]:
    """From where to where the text becomes what, for ``mapping[key]`` to be ``value``."""
    if not isinstance(mapping, yaml.MappingNode):
        raise StudyError("no mapping")
    for name, old in mapping.value:
        if name.value == key:
            start, stop = old.start_mark.index, old.end_mark.index
            return start, stop, value + ("\n" if text[start:stop].endswith("\n") else "")
    mark = mapping.value[0][0].start_mark
    end = ", " if mapping.flow_style else "\n" + " " * mark.column
    return mark.index, mark.index, f"{key}: {value}{end}"
