"""SOQL: from text to a small tree, refused as Salesforce refuses it.

The subset: field lists with parent fields, `FIELDS(...)`, `COUNT()`, COUNT, MIN and MAX with GROUP BY of one field,
WHERE with every comparison, ORDER BY, LIMIT and OFFSET. Not served, and said so: queries inside queries, aliases,
HAVING, WITH, FOR, TYPEOF, functions. Nothing here knows which objects and fields exist: see `salesforce_soql_run`.

Texts of refusals follow public reports of users; programs should match on the code alone.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NoReturn, TypeVar

from sandbox.salesforce_errors import SfError
from sandbox.salesforce_soql_tree import (
    Aggregate,
    Chain,
    Comparison,
    Condition,
    FieldSet,
    Literal,
    Not,
    Order,
    Path,
    Query,
    Selected,
    malformed,
    pointed,
    refused,
)

_T = TypeVar("_T")
MAX_LENGTH = 100_000
"""Characters of a query at most (Salesforce's documented limit)."""
MAX_OFFSET = 2000
_MAX_DEPTH = 50
"""Parentheses inside parentheses."""


def parse(text: str) -> Query:
    """Read a query. Raises 400."""
    if len(text) > MAX_LENGTH:
        raise malformed(f"SOQL statements cannot be longer than {MAX_LENGTH} characters.")
    return _Parser(text).query()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int

    @property
    def word(self) -> str:
        """The token as a keyword: in capitals; empty unless it is a plain word."""
        return self.text.upper() if self.kind == "word" else ""


_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_TOKEN = re.compile(
    rf"""(?P<space>\s+)
    |(?P<string>'(?:[^'\\]|\\.)*')
    |(?P<datetime>\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))
    |(?P<unzoned>\d{{4}}-\d\d-\d\dT[\d:.]*)
    |(?P<date>\d{{4}}-\d\d-\d\d)
    |(?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![A-Za-z_]))
    |(?P<word>{_NAME}(?:\.{_NAME})*)
    |(?P<mark>!=|<>|<=|>=|[=<>(),:])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\", "_": "_", "%": "%"}
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_COMPARE = {"=": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_DATE_WORDS = frozenset({"TODAY", "YESTERDAY", "TOMORROW"})
_COUNTED_WORDS = frozenset({"LAST_N_DAYS", "NEXT_N_DAYS", "N_DAYS_AGO"})
_FUNCTIONS = frozenset({"COUNT", "MIN", "MAX"})


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            _unreadable(text, at)
        kind = str(found.lastgroup)
        if kind == "unzoned":
            _unreadable(text, found.end())
        if kind != "space":
            yield _Token(kind, found.group(), at)
        at = found.end()
    yield _Token("end", "'<EOF>'", at)


def _unreadable(text: str, at: int) -> NoReturn:
    row, column = text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1)
    char = text[at : at + 1]
    if char == "'":
        message = f"line {row}:{len(text)} mismatched character '<EOF>' expecting '''"
        raise malformed(pointed(text, at, message))
    message = f"line {row}:{column} no viable alternative at character '{char or '<EOF>'}'"
    raise malformed(pointed(text, at, message))


class _Parser:
    """Recursive descent over the tokens of one query."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(_tokens(text))
        self.next = 0
        self.depth = 0

    @property
    def token(self) -> _Token:
        return self.tokens[self.next]

    def take(self) -> _Token:
        token = self.token
        self.next += token.kind != "end"
        return token

    def unexpected(self, token: _Token | None = None) -> SfError:
        return malformed(f"unexpected token: {(token or self.token).text}")

    def refuse(self, at: int, message: str) -> SfError:
        return malformed(pointed(self.text, at, message))

    def skip(self, *words: str) -> bool:
        """Take these keywords or marks if they are next, all or none."""
        ahead = self.tokens[self.next : self.next + len(words)]
        if [token.word or token.text for token in ahead] != list(words):
            return False
        self.next += len(words)
        return True

    def expect(self, *words: str) -> None:
        for word in words:
            if not self.skip(word):
                raise self.unexpected()

    def path(self, *, but: str = "") -> Path:
        """A field or object name, which must not be the keyword `but`."""
        token = self.token
        if token.kind != "word" or (but and token.word == but):
            raise self.unexpected()
        self.next += 1
        return Path(tuple(token.text.split(".")), token.at)

    def listed(self, item: Callable[[], _T]) -> tuple[_T, ...]:
        found = [item()]
        while self.skip(","):
            found.append(item())
        return tuple(found)

    def query(self) -> Query:
        self.expect("SELECT")
        selected: tuple[Selected, ...] = ()
        if not self.skip("COUNT", "(", ")"):
            selected = self.listed(self.selected)
        self.expect("FROM")
        source = self.path(but="WHERE")
        where = self.condition() if self.skip("WHERE") else None
        group = self.path() if self.skip("GROUP", "BY") else None
        order = self.listed(self.order) if self.skip("ORDER", "BY") else ()
        limit = self.whole_number() if self.skip("LIMIT") else None
        offset = self.whole_number() if self.skip("OFFSET") else None
        if self.token.kind != "end":
            raise self.unexpected()
        if offset is not None and offset > MAX_OFFSET:
            raise refused("NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {MAX_OFFSET}")
        return Query(self.text, selected, str(source), source.at, where, group, order, limit, offset)

    def whole_number(self) -> int:
        token = self.take()
        if token.kind != "number" or not token.text.isdigit():
            raise self.unexpected(token)
        return int(token.text)

    def selected(self) -> Selected:
        if self.skip("("):
            raise self.refuse(self.token.at, "queries inside queries are not served by this sandbox")
        path = self.path(but="FROM")
        if not self.skip("("):
            return path
        function = str(path).upper()
        if function == "FIELDS":
            chosen = self.take()
            if chosen.word not in {"ALL", "STANDARD", "CUSTOM"}:
                raise self.unexpected(chosen)
            self.expect(")")
            return FieldSet(chosen.word, path.at)
        if function not in _FUNCTIONS:
            raise self.refuse(path.at, f"the function {path} is not served by this sandbox")
        field = self.path()
        self.expect(")")
        alias = None if self.token.kind != "word" or self.token.word == "FROM" else self.take().text
        return Aggregate(function, field, alias)

    def condition(self) -> Condition:
        """One or more terms; AND and OR may not be mixed without parentheses, and only the first may begin with NOT."""
        first = Not(self.term()) if self.skip("NOT") else self.term()
        word = self.token.word
        if word not in {"AND", "OR"}:
            return first
        terms = [first]
        while self.skip(word):
            terms.append(self.term())
        if self.token.word in {"AND", "OR"}:
            raise self.unexpected()
        return Chain(word, tuple(terms))

    def term(self) -> Condition:
        at = self.token.at
        if self.skip("("):
            self.depth += 1
            if self.depth > _MAX_DEPTH:
                raise self.refuse(at, "maximum depth of nested conditions exceeded")
            inner = self.condition()
            self.expect(")")
            self.depth -= 1
            return inner
        return self.comparison()

    def comparison(self) -> Comparison:
        field = self.path(but="NOT")
        token = self.take()
        if token.text in _COMPARE:
            return Comparison(field, _COMPARE[token.text], (self.literal(),))
        operator = token.word
        if operator == "LIKE":
            return Comparison(field, operator, (self.literal(),))
        if operator == "NOT" and self.skip("IN"):
            operator = "NOT IN"
        if operator not in {"IN", "NOT IN", "INCLUDES", "EXCLUDES"}:
            raise self.unexpected(token)
        self.expect("(")
        if self.token.word == "SELECT":
            raise self.refuse(self.token.at, "queries inside queries are not served by this sandbox")
        values = self.listed(self.literal)
        self.expect(")")
        return Comparison(field, operator, values)

    def order(self) -> Order:
        field = self.path()
        descending = self.skip("DESC")
        if not descending:
            self.skip("ASC")
        nulls_last = self.skip("NULLS", "LAST")
        if not nulls_last:
            self.skip("NULLS", "FIRST")
        return Order(field, descending, nulls_last)

    def literal(self) -> Literal:
        token = self.take()
        at = token.at
        if token.kind == "string":
            return Literal("string", self.unescaped(token), at, token.text[1:-1])
        if token.kind == "number":
            whole = token.text.lstrip("+-").isdigit()
            return Literal("number", int(token.text) if whole else float(token.text), at)
        if token.kind in {"date", "datetime"}:
            return self.instant(token)
        if token.text == ":":
            raise self.refuse(at, "Bind variables only allowed in Apex code")
        return self.named(token)

    def named(self, token: _Token) -> Literal:
        """A value that is a word."""
        word, at = token.word, token.at
        if word in {"TRUE", "FALSE"}:
            return Literal("boolean", word == "TRUE", at)
        if word == "NULL":
            return Literal("null", None, at)
        if word in _COUNTED_WORDS:
            self.expect(":")
            return Literal("word", (word, self.whole_number()), at)
        if word in _DATE_WORDS:
            return Literal("word", (word, 0), at)
        raise self.unexpected(token)

    def unescaped(self, token: _Token) -> str:
        def replace(found: re.Match[str]) -> str:
            code = found[1]
            if len(code) > 1:
                return chr(int(code[1:], 16))
            if code not in _ESCAPES:
                message = f"Illegal character sequence '\\{code}' in string literal"
                raise self.refuse(token.at + 1 + found.start(), message)
            return _ESCAPES[code]

        return _ESCAPE.sub(replace, token.text[1:-1])

    def instant(self, token: _Token) -> Literal:
        """A date or a date with a time. Raises 400 for one that no calendar has."""
        try:
            if token.kind == "date":
                return Literal("date", date.fromisoformat(token.text).isoformat(), token.at)
            moment = datetime.fromisoformat(token.text).astimezone(UTC)
        except (ValueError, OverflowError):
            raise refused(
                "INVALID_FIELD", pointed(self.text, token.at, f"Invalid {token.kind}: {token.text}")
            ) from None
        return Literal("datetime", _epoch_ms(moment), token.at)


def _epoch_ms(moment: datetime) -> int:
    """Epoch milliseconds, without the rounding of a float."""
    gone = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (gone.days * 86_400 + gone.seconds) * 1000 + gone.microseconds // 1000
