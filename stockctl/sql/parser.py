"""Parses one SELECT statement in Athena's SQL."""

import logging
import re
from typing import ClassVar, NoReturn

from sqlglot import exp
from sqlglot.dialects.trino import Trino
from sqlglot.errors import ErrorLevel, ParseError, TokenError
from sqlglot.parsers.trino import TrinoParser
from sqlglot.tokenizer_core import Token, TokenType

from stockctl.errors import QueryError
from stockctl.sql.schema import COLUMNS, TABLE

MAX_BYTES = 262_144
"""Athena's limit on the length of a statement."""
# Hide the parser's warnings: the check or the engine refuses what they are about.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

_MAX_DEPTH = 100
_MAX_ARRAY_DEPTH = 8  # each further level makes the parser nearly three times slower
_SHOWN = 60

_BEGINS = (TokenType.SELECT, TokenType.WITH, TokenType.VALUES, TokenType.TABLE, TokenType.L_PAREN)
_BRACES = (TokenType.L_BRACE, TokenType.R_BRACE)
_BRACKETS = (TokenType.L_BRACKET, TokenType.R_BRACKET)
_STEPS = {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1, TokenType.L_BRACKET: 1, TokenType.R_BRACKET: -1}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_WORDS = re.compile(r"[A-Za-z_][A-Za-z0-9_ ]*")


def parse_query(sql: str) -> exp.Query:
    """Return the tree of a statement in Athena's SQL.

    The position of each ``?``, from 1, is in ``meta["position"]`` of its placeholder.

    Raises:
        QueryError: the text is not exactly one statement, not a query, or not valid SQL.
    """
    _check_text(sql)
    tokens = _tokens(sql)
    try:
        trees = _Parser(error_level=ErrorLevel.IMMEDIATE, dialect=_new_parser()).parse(tokens, sql)
    except ParseError as error:
        raise _syntax_error(sql, error) from error
    except RecursionError as error:
        raise too_deep() from error
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        # The parser does not check that some arguments of functions, and parts of JSON paths, exist.
        raise QueryError(
            "The SQL cannot be parsed: a function has too few arguments or an invalid one.",
            "The dialect is Athena's (Trino).",
        ) from error
    tree = trees[0] if len(trees) == 1 else None
    if isinstance(tree, exp.Values):
        tree = exp.select("*").from_(tree)
    if not isinstance(tree, exp.Query):
        refuse("The text is not a query.")
    _number_placeholders(tree, tokens)
    return tree


def refuse(message: str, hint: str | None = None) -> NoReturn:
    """Raise a ``QueryError``. Without ``hint``, its hint says what is allowed."""
    columns = ", ".join(name for name, _ in COLUMNS)
    raise QueryError(message, hint or f"Only one SELECT from {TABLE} is allowed (columns: {columns}).")


def too_deep(place: str = "") -> QueryError:
    """Return the error for a statement that is nested too deeply."""
    return QueryError(f"The statement is nested too deeply{place}.", "Split it into steps with WITH.")


def quote_text(text: str) -> str:
    """Return text from a statement for a message: quoted, escaped, on one line, and shortened."""
    quoted = repr(text)
    return quoted if len(quoted) <= _SHOWN else quoted[: _SHOWN - 4] + "...'"


def _check_text(sql: str) -> None:
    size = len(sql.encode("utf-8", "replace"))
    if size > MAX_BYTES:
        refuse(f"The statement has {size} bytes; the limit is {MAX_BYTES}.", "Make it shorter.")
    if found := _CONTROL.search(sql):
        line = sql.count("\n", 0, found.start()) + 1
        column = found.start() - sql.rfind("\n", 0, found.start())
        refuse(f"The control character {found.group()!r} at line {line}, column {column} is not allowed.")


def _tokens(sql: str) -> list[Token]:
    try:
        tokens = list(_new_parser().tokenize(sql))
    except TokenError as error:
        cause = f": {error.__cause__}" if isinstance(error.__cause__, TokenError) else ""
        raise QueryError(
            f"The SQL ends inside a text, a name or a comment{cause}.",
            "Check that each ', \" and /* is closed.",
        ) from error
    tokens = _one_statement(tokens)
    _check_begin(tokens[0])
    _check_nesting(tokens)
    return tokens


def _one_statement(tokens: list[Token]) -> list[Token]:
    ends = [place for place, token in enumerate(tokens) if token.token_type is TokenType.SEMICOLON]
    first = tokens[: ends[0]] if ends else tokens
    more = [token for token in tokens[len(first) :] if token.token_type is not TokenType.SEMICOLON]
    if more and first:
        refuse(
            f"There is more than one statement: the second starts at {_at(more[0])}.",
            "Run them one at a time.",
        )
    if not first and not more:
        refuse("There is no SQL statement in the text.")
    return first or more


def _check_begin(token: Token) -> None:
    if token.token_type not in _BEGINS:
        plain = token.token_type is not TokenType.STRING and _WORDS.fullmatch(token.text)
        word = token.text.upper() if plain else quote_text(token.text)
        refuse(f"{word} is not allowed: only queries can be run here, and they cannot change anything.")


def _check_nesting(tokens: list[Token]) -> None:
    depth = arrays = 0
    for token in tokens:
        if token.token_type in _BRACES:
            refuse(f"{token.text} at {_at(token)} is not part of Athena's SQL.")
        step = _STEPS.get(token.token_type, 0)
        depth += step
        arrays += step if token.token_type in _BRACKETS else 0
        if depth > _MAX_DEPTH or arrays > _MAX_ARRAY_DEPTH:
            raise too_deep(f" at {_at(token)}")


class _Parser(TrinoParser):
    """Records the position of each ``?`` in the text; the tree does not contain it."""

    PLACEHOLDER_PARSERS: ClassVar = {
        **TrinoParser.PLACEHOLDER_PARSERS,
        TokenType.PLACEHOLDER: lambda self: self.parse_question_mark(),
    }

    def parse_question_mark(self) -> exp.Expr:
        """Return the placeholder for the ``?`` that was just read."""
        node: exp.Placeholder = self.expression(exp.Placeholder())
        node.meta["start"] = self._prev.start
        return node


def _number_placeholders(tree: exp.Query, tokens: list[Token]) -> None:
    starts = [token.start for token in tokens if token.token_type is TokenType.PLACEHOLDER]
    places = {start: place for place, start in enumerate(starts, start=1)}
    found = [node for node in tree.find_all(exp.Placeholder) if "start" in node.meta]
    for node in found:
        node.meta["position"] = places[node.meta["start"]]
    if len({node.meta["start"] for node in found}) != len(starts):
        refuse("A ? is not allowed at this position.")


def _at(token: Token) -> str:
    return f"line {token.line}, column {max(1, token.col - len(token.text) + 1)}"


def _syntax_error(sql: str, error: ParseError) -> QueryError:
    fault = error.errors[0] if error.errors else {}
    what = str(fault.get("description") or "it is not SQL").rstrip(".")
    if what.startswith("Required"):  # the parser names its own classes here
        what = "something is missing"
    word = str(fault.get("highlight") or "")
    line, last = fault.get("line"), fault.get("col")
    if not line or not last:
        return QueryError(f"The SQL cannot be parsed: {what}.", "The dialect is Athena's (Trino).")
    column = max(1, last - len(word) + 1)
    text = [*sql.split("\n"), ""][min(line - 1, sql.count("\n"))]
    excerpt = text[max(0, column - _SHOWN // 2) :][:_SHOWN].strip()
    return QueryError(
        f"The SQL cannot be parsed at line {line}, column {column}, at {quote_text(word)}: {what}. "
        f"Text at this position: {ascii(excerpt)[1:-1] if not excerpt.isprintable() else excerpt}",
        "The dialect is Athena's (Trino).",
    )


def _new_parser() -> Trino:
    return Trino()
