"""Base of all settings: typed, frozen, unknown keys refused, TOML in and out."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from unfade.errors import SettingsError

LARGEST = 1 << 20  # bytes of a settings file
SCHEMA = 1  # version of the settings files this release reads and writes


class Settings(BaseModel):
    """A frozen group of settings; every field has a type, a default and a sentence with its unit."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Self:
        """Build from plain values.

        Raises
        ------
        SettingsError
            For an unknown key, a wrong type or a value out of range, named in the text.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise SettingsError(_sentence(error)) from None

    def changed(self, **values: Any) -> Self:
        """A copy with some fields replaced, validated again."""
        return self.parse({**self.plain(), **values})

    def overlaid(self, values: dict[str, Any]) -> Self:
        """A copy with some fields replaced, validated again; of a group within it only the fields that are named."""
        return self.parse(_overlaid(self, values))

    def plain(self) -> dict[str, Any]:
        """Plain values without unset (None) entries, as TOML and JSON take them."""
        return self.model_dump(mode="json", exclude_none=True)


def _overlaid(settings: Settings, values: dict[str, Any]) -> dict[str, Any]:
    out = settings.plain()
    for name, value in values.items():
        group = getattr(settings, name, None)
        out[name] = _overlaid(group, value) if isinstance(group, Settings) and isinstance(value, dict) else value
    return out


def read_toml(path: Path) -> dict[str, Any]:
    """Tables of a settings file of this schema.

    Raises
    ------
    SettingsError
        If the file is missing, no TOML, or of another schema.
    """
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise SettingsError(f"{path} is larger than any settings file; check its name.")
        values = tomllib.loads(text.decode())
    except FileNotFoundError:
        raise SettingsError(f"There is no settings file {path}; check its name.") from None
    except OSError as error:
        raise SettingsError(f"The settings file {path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:  # also for text that is no UTF-8 and for numbers without end
        raise SettingsError(f"{path} is not valid TOML: {error}.") from None
    schema = values.pop("schema", None)
    if schema != SCHEMA:
        found = "" if schema is None else f", not {schema!r}"
        raise SettingsError(f"{path} must start with 'schema = {SCHEMA}'{found}.")
    return values


def write_toml(path: Path, values: dict[str, Any]) -> None:
    """Write tables with the schema number on top; `path` appears only once it is complete."""
    import tomli_w

    part = path.with_name(path.name + ".part")
    try:
        part.write_text(tomli_w.dumps({"schema": SCHEMA, **values}), encoding="utf-8")
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _sentence(error: ValidationError) -> str:
    parts = []
    for item in error.errors():
        where = ".".join(str(x) for x in item["loc"]) or "settings"
        if item["type"] == "extra_forbidden":
            parts.append(f"'{where}' is not a known setting, remove it or correct its name")
        else:
            text = item["msg"].removeprefix("Value error, ")
            parts.append(f"'{where}': {text[:1].lower()}{text[1:]}, got {item['input']!r}")
    return f"Settings cannot be used: {'; '.join(parts)}."
