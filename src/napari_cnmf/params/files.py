"""Parameters in files: TOML and JSON, whoever wrote them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_cnmf._checks import check_path
from napari_cnmf._overwriting import ExportKind, new_file
from napari_cnmf.errors import ExportError, ParameterError
from napari_cnmf.params._foreign import ForeignParameters, to_nested
from napari_cnmf.params._plain import none_to_word
from napari_cnmf.params._problems import not_a_table, shown
from napari_cnmf.params.cnmf import CNMFParams

_HEADER = '# Parameters of napari-cnmf. A value of "none" is left to the engine.\n\n'


def to_toml(params: CNMFParams) -> str:
    """Write all values as TOML, None as the word ``none``.

    See Also
    --------
    from_toml : the inverse.
    """
    import tomli_w

    values = params.to_dict()
    seed = {"random_seed": values.pop("random_seed")}  # TOML: before the tables
    return _HEADER + tomli_w.dumps(seed | none_to_word(values))


def from_toml(text: str) -> CNMFParams:
    """Read parameters from TOML, in any of the layouts of :meth:`CNMFParams.from_any`."""
    return CNMFParams.from_any(_parse(text, "The text", is_json=False))


def to_json(params: CNMFParams) -> str:
    """Write all values as JSON.

    See Also
    --------
    from_json : the inverse.
    """
    return json.dumps(params.to_dict(), indent=2) + "\n"


def from_json(text: str) -> CNMFParams:
    """Read parameters from JSON, in any of the layouts of :meth:`CNMFParams.from_any`."""
    return CNMFParams.from_any(_parse(text, "The text", is_json=True))


def table_in(source: str | Path) -> dict[str, Any]:
    """Names and values in a file, or in a text of TOML or JSON, as they stand there.

    Raises
    ------
    ParameterError
        It is neither, or the file cannot be read.
    """
    if isinstance(source, Path):
        loaded = _load(source)
    else:
        loaded = _parse(source, "The text", is_json=source.lstrip().startswith("{"))
    if not isinstance(loaded, dict):
        raise ParameterError(not_a_table("The parameters", loaded))
    return loaded


def read_params(path: str | Path, *, base: CNMFParams | None = None) -> CNMFParams:
    """Read parameters from a file of ours, of CaImAn or of Mesmerize.

    Parameters
    ----------
    path
        TOML or JSON; another ending is JSON where the text starts with ``{``, else TOML.
    base
        What holds for all that the file does not name, such as a preset; the defaults without.

    Raises
    ------
    ParameterError
        For a file that is not there, that is neither, or whose values are wrong. It names the
        file.

    See Also
    --------
    write_params : the inverse.
    """
    path = check_path("A file of parameters", path, ParameterError)
    try:
        return (base or CNMFParams()).replace(**table_in(path))
    except ParameterError as error:
        if str(path) in str(error):
            raise
        raise ParameterError(f"{path}: {error}") from error


def read_foreign(
    values: Mapping[str, Any] | str, base: CNMFParams | None = None
) -> ForeignParameters:
    """Read another program's parameters, with its ``refit`` and what has no meaning here.

    ``base`` is what they are to be set on: of a size, one axis alone may be named.
    """
    return to_nested(values, None if base is None else base.to_dict())


def write_params(params: CNMFParams, path: str | Path, *, overwrite: bool = False) -> None:
    """Write all values to ``path``, as JSON where it ends so, else as TOML; whole or not at all.

    Parameters
    ----------
    params
        Values to write.
    path
        File to write.
    overwrite
        Replace an earlier file of parameters that was written by this function; anything else
        that is at ``path`` is never replaced.

    Raises
    ------
    ExportError
        The file cannot be written, or something else is there.

    See Also
    --------
    read_params : the inverse.
    """
    path = check_path("A file of parameters", path, ExportError)
    text = to_json(params) if path.suffix.lower() == ".json" else to_toml(params)
    with new_file(path, PARAMETER_FILE, overwrite=overwrite) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")


def _is_written_by_us(path: Path) -> bool:
    """Whether a file holds every parameter and nothing else, as `write_params` writes it."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix.lower() != ".json":
            return text.startswith(_HEADER)
        return set(json.loads(text)) == set(CNMFParams().to_dict())
    except (OSError, ValueError, TypeError, RecursionError):
        return False


PARAMETER_FILE = ExportKind("parameter file", _is_written_by_us)
"""Kind of file that `write_params` makes."""


def _load(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParameterError(
            f"{path} must be a text file, got other bytes. Give a TOML or JSON file."
        ) from error
    except OSError as error:
        raise ParameterError(
            f"{path} cannot be read: {error.strerror or error}. Check the name."
        ) from error
    suffix = path.suffix.lower()
    is_json = suffix == ".json" or (suffix != ".toml" and text.lstrip().startswith("{"))
    return _parse(text, str(path), is_json=is_json)


def _parse(text: str, what: str, *, is_json: bool) -> Any:
    """Parse JSON or TOML; both parsers raise kinds of ``ValueError``."""
    import tomllib

    try:
        return json.loads(text, object_pairs_hook=_table) if is_json else tomllib.loads(text)
    except RecursionError as error:
        raise ParameterError(
            f"{what} must be tables of plain values, got values nested too deeply. "
            "Write them out flat."
        ) from error
    except ValueError as error:
        kind = "JSON" if is_json else "TOML"
        raise ParameterError(
            f"{what} must be {kind}, got: {error}. Correct it there.{_comma_hint(text)}"
        ) from error


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Table of a JSON file, in which a name may stand twice: of different values none is right."""
    table: dict[str, Any] = {}
    for name, value in pairs:
        if name in table and table[name] != value:
            raise ParameterError(
                f"{name} must have one value, got {shown(table[name])} and {shown(value)} in one "
                "table. Leave one of them out."
            )
        table[name] = value
    return table


def _comma_hint(text: str) -> str:
    """A sentence about the first number with a decimal comma, which neither format takes."""
    found = re.search(r"[=:]\s*([+-]?\d+),(\d+)\s*(?:$|,\s*\"|[}\n])", text, re.MULTILINE)
    if found is None:
        return ""
    whole, decimals = found.groups()
    line = text.count("\n", 0, found.start(1)) + 1
    return f" Line {line} has {whole},{decimals}: write {whole}.{decimals}."
