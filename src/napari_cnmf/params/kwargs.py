"""Parses keyword arguments as people paste them; nothing is evaluated."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from typing import Any

from napari_cnmf.errors import ParameterError
from napari_cnmf.params._plain import to_plain

_WORDS: dict[str, Any] = {
    "none": None,
    "null": None,
    "true": True,
    "false": False,
    "inf": float("inf"),
    "Infinity": float("inf"),
}
_TOO_DEEP = (RecursionError, MemoryError)
_DECIMAL_COMMA = re.compile(
    r"""([=:]\s*)([+-]?\d+,\d+(?:[eE][+-]?\d+)?)(?=\s*(?:$|[\n)}]|,\s*(?:[A-Za-z_'"]|$)))"""
)
"""``min_SNR=2,5`` where the next name, or the end, follows: its model reads what it means."""


def parse_kwargs(text: str) -> dict[str, Any]:
    """Read names and values from a text box.

    Parameters
    ----------
    text
        One of: a Python dictionary ``{"gSig": (4, 4)}``, which JSON nearly is; call style
        ``gSig=(4, 4), p=1``; one assignment a line; TOML. Single and double quotes both work, and
        ``true``, ``false``, ``none`` in any of them. A number may have a decimal comma where no
        list can be meant. Empty text is an empty dictionary.

    Returns
    -------
    dict
        Plain values, lists for tuples; for :meth:`CNMFParams.from_any`, which checks the names.

    Raises
    ------
    ParameterError
        With line, column and the line itself.
    """
    text = text.strip().removeprefix("\ufeff").strip()
    try:
        return _parse(text)
    except ParameterError:
        quoted = _DECIMAL_COMMA.sub(r"\1'\2'", text)
        if quoted == text:
            raise
        try:
            return _parse(quoted)
        except ParameterError:
            pass
        raise


def _parse(text: str) -> dict[str, Any]:
    import tomllib

    if not text:
        return {}
    if text[0] in "'\"":  # the inside of a dictionary
        text = f"{{{text}}}"
    if text.startswith("{"):
        return _checked(_parse_dictionary(text))
    problems: list[ParameterError] = []
    for parse in (_parse_lines, _parse_call) if "\n" in text else (_parse_call, _parse_lines):
        try:
            return _checked(parse(text))
        except ParameterError as error:
            problems.append(error)
    try:
        table: dict[str, Any] = to_plain(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, *_TOO_DEEP) as error:
        if text.startswith("["):
            raise ParameterError(f"This is not TOML: {error}. {_FORMS}") from error
        # A form that was understood says more about its values than one that was not.
        understood = [problem for problem in problems if not isinstance(problem, _SyntaxProblem)]
        raise (understood or problems)[0] from error
    return table


class _SyntaxProblem(ParameterError):
    """The text is not in this form at all."""


_SHOWN = 80
_PLAIN_ONLY = "Only plain values can be read here: numbers, words in quotes, lists"
_FORMS = "Write gSig=(4, 4), p=1 or a dictionary {'gSig': (4, 4), 'p': 1}."

_Pairs = list[tuple[str, Any]]


def _checked(pairs: _Pairs) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise ParameterError(f"Each name may stand once, got {name!r} twice. Remove one.")
        values[name] = to_plain(value)
    return values


def _parse_dictionary(text: str) -> _Pairs:
    tree = _syntax_tree(text, "eval", shift=0)
    if not isinstance(tree, ast.Expression) or not isinstance(tree.body, ast.Dict):
        raise ParameterError(f"This must be one dictionary, got more than that. {_FORMS}")
    return list(_items(tree.body, text, 0))


def _items(node: ast.Dict, text: str, shift: int) -> Iterator[tuple[str, Any]]:
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            raise _at(value, text, shift, "Unpacking with ** cannot be read")
        name = _literal(key, text, shift)
        if not isinstance(name, str):
            raise _at(key, text, shift, f"A name must be a word in quotes, got {name!r}")
        yield name, _literal(value, text, shift)


_CALL = "f("


def _parse_call(text: str) -> _Pairs:
    """Parse ``a=1, b=2``, with or without ``dict(…)`` around it."""
    if text.startswith("dict(") and text.endswith(")"):
        text = text[len("dict(") : -1]
    tree = _syntax_tree(f"{_CALL}{text}\n)", "eval", shift=len(_CALL), shown=text)
    if not isinstance(tree, ast.Expression) or not isinstance(tree.body, ast.Call):
        raise ParameterError(f"This must be a list of name=value, got {text!r:.80}. {_FORMS}")
    call, shift = tree.body, len(_CALL)
    for argument in call.args:
        raise _at(argument, text, shift, "A value needs a name in front of it")
    pairs: _Pairs = []
    for keyword in call.keywords:
        if keyword.arg is None:
            raise _at(keyword.value, text, shift, "Unpacking with ** cannot be read")
        pairs.append((keyword.arg, _literal(keyword.value, text, shift)))
    return pairs


def _parse_lines(text: str) -> _Pairs:
    """Parse ``a = 1`` or ``init.K = 1`` on each line, as in a script."""
    tree = _syntax_tree(text, "exec", shift=0)
    pairs: _Pairs = []
    for statement in getattr(tree, "body", []):
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                pairs.append((name, _assigned(value, text)))
            case ast.Assign(targets=[ast.Attribute(ast.Name(id=group), key)], value=value):
                pairs.append((f"{group}.{key}", _assigned(value, text)))
            case _:
                raise _at(statement, text, 0, "Only name = value can be read")
    return pairs


def _assigned(value: ast.expr, text: str) -> Any:
    """Value of an assignment; ``2,5`` without brackets stays text, as only its model knows it."""
    read = _literal(value, text, 0)
    source = ast.get_source_segment(text, value) or ""
    is_bare = isinstance(value, ast.Tuple) and re.fullmatch(r"[\d\s.,eE+-]+", source)
    return source if is_bare else read


def _syntax_tree(code: str, mode: str, *, shift: int, shown: str | None = None) -> ast.AST:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as "5is": what is wrong is said below
            return ast.parse(code, mode=mode)
    except SyntaxError as error:
        reason = (error.msg or "invalid syntax").capitalize()
        position = (error.lineno or 1, (error.offset or 1) - 1)
        raise _SyntaxProblem(_message(*position, shown or code, shift, reason)) from error
    except (ValueError, *_TOO_DEEP) as error:
        raise _SyntaxProblem(f"This cannot be read: {error!r:.80}. {_FORMS}") from error


class _Words(ast.NodeTransformer):
    """Transformer that refuses calls and attributes, and reads ``true``, ``null`` and the like."""

    def __init__(self, text: str, shift: int) -> None:
        self._text, self._shift = text, shift

    def visit_Name(self, node: ast.Name) -> ast.Constant:
        """Replace a known word by its value, and refuse others."""
        word = node.id if node.id in _WORDS else node.id.lower()
        if word not in _WORDS:
            raise _at(
                node, self._text, self._shift, f"A word must stand in quotes: write '{node.id}'"
            )
        return ast.copy_location(ast.Constant(_WORDS[word]), node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Refuse a call."""
        raise _at(node, self._text, self._shift, _PLAIN_ONLY)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """Refuse an attribute."""
        raise _at(node, self._text, self._shift, _PLAIN_ONLY)


def _literal(node: ast.expr, text: str, shift: int) -> Any:
    try:
        return ast.literal_eval(_Words(text, shift).visit(node))
    except (ValueError, TypeError, *_TOO_DEEP) as error:
        raise _at(node, text, shift, _PLAIN_ONLY) from error


def _at(node: ast.AST, text: str, shift: int, reason: str) -> ParameterError:
    line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
    lines = text.splitlines()
    if line <= len(lines):  # Python counts bytes of UTF-8 here
        column -= shift if line == 1 else 0
        column = len(lines[line - 1].encode("utf-8")[: max(column, 0)].decode("utf-8", "ignore"))
    return ParameterError(_message(line, column, text, 0, reason))


def _message(line: int, column: int, text: str, shift: int, reason: str) -> str:
    """Message with the reason, the line it is about and a mark below the place."""
    lines = text.splitlines() or [""]
    if line > len(lines):
        line, column = len(lines), len(lines[-1])
    elif line == 1:
        column -= shift
    shown = lines[line - 1]
    column = max(0, min(column, len(shown)))
    start = max(0, column - _SHOWN // 2)
    return (
        f"{reason} (line {line}, column {column + 1}). {_FORMS}\n"
        f"    {shown[start : start + _SHOWN]}\n    {' ' * (column - start)}^"
    )
