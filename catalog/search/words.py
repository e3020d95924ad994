"""The index of words: which projects have a word in their names, codes, agency, sections or tags.

A word is found wherever its characters stand in that order, be it one character or ten, Chinese or not; width
and case of letters do not matter (``normal``). Nothing that people enter is syntax. Both databases keep one
row for each project in ``search_text``, each in its own way, outside of the tables that they share:

* SQLite: FTS5 over text of which each three characters in a row are a token: a word is the phrase of its
  tokens, or the beginning of one. (Tokens of single characters, too, find every word; but of words made of
  common characters, such as codes, their phrases are slow.) What FTS5 might take for no letter or digit is
  written as a character for private use: a hyphen in a code is a character like others.
* PostgreSQL: what stands in each text in an array under GIN: its characters, pairs and threes, and pairs of
  what people read with their field. They say all of words of up to three characters, and of pairs in one
  field; for others the few candidates' texts are looked at.

``docs/design/search.md`` has the figures by which they were chosen.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, text
from sqlmodel import Session as Transaction

TABLE = "search_text"
"""Start of the names of everything that the index of words consists of."""
MOST_WORDS = 16
"""More than that nobody enters; the rest of a longer text is not left out: it is refused."""
_BATCH = 500


class Field(StrEnum):
    """Texts of a project; the columns of the index."""

    NAME = "name"
    AGENCY = "agency"
    CODES = "codes"
    SECTIONS = "sections"
    SECTION_CODES = "section_codes"
    TAGS = "tags"


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """A word, and where it may stand."""

    word: str  # as ``words`` gives it
    fields: tuple[Field, ...] = tuple(Field)  # in one of these


@lru_cache(maxsize=4096)
def normal(said: str) -> str:
    """A text as it is compared: compatible forms (NFKC, Unicode annex 15) and cases are one, blanks too."""
    if said.isascii() and said.isprintable():  # most codes; the rest of this changes nothing of them
        return " ".join(said.lower().split())
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", said).casefold())
    return " ".join("".join(" " if _is_blank(one) else one for one in folded).split())


@lru_cache(maxsize=65536)
def _is_blank(character: str) -> bool:
    """Blanks, control characters, and what is no character: halves of some, and numbers that are none."""
    none = ord(character) & 0xFFFE == 0xFFFE
    return none or character.isspace() or unicodedata.category(character) in ("Cc", "Cs")


def words(said: str) -> list[str]:
    """The words that somebody entered; what blanks part may stand apart."""
    return list(dict.fromkeys(normal(said).split(" "))) if normal(said) else []


def lines_of(connection: Connection, project_ids: Sequence[str]) -> dict[str, dict[Field, list[str]]]:
    """The parts of projects' texts as they were entered, by id."""
    found: dict[str, dict[Field, list[str]]] = {}
    for query, fields in _TEXTS:
        for start in range(0, len(project_ids), _BATCH):
            ids = {f"p{n}": one for n, one in enumerate(project_ids[start : start + _BATCH])}
            named = query.format(", ".join(f":{name}" for name in ids))
            for project_id, *parts in connection.execute(text(named), ids):
                of = found.setdefault(project_id, {field: [] for field in Field})
                for field, part in zip(fields, parts, strict=True):
                    of[field].append(part)
    return found


def texts_of(connection: Connection, project_ids: Sequence[str]) -> dict[str, dict[Field, str]]:
    """The normal texts of projects, by id; parts of a text have a line each."""
    found = lines_of(connection, project_ids)
    return {
        one: {field: "\n".join(map(normal, parts)) for field, parts in of.items()}
        for one, of in found.items()
    }


_TEXTS: tuple[tuple[str, tuple[Field, ...]], ...] = (
    (
        "SELECT id, name_zh, name_en, agency, id, project_code, tender_project_code FROM project "
        "WHERE id IN ({})",
        (Field.NAME, Field.NAME, Field.AGENCY, Field.CODES, Field.CODES, Field.CODES),
    ),
    (
        "SELECT project_id, name_zh, section_code, unified_deal_code FROM section WHERE project_id IN ({}) "
        "ORDER BY project_id, number",
        (Field.SECTIONS, Field.SECTION_CODES, Field.SECTION_CODES),
    ),
    (
        "SELECT project_id, text FROM tag WHERE project_id IN ({}) ORDER BY project_id, at_us, id",
        (Field.TAGS,),
    ),
)


def index_project(session: Transaction, project_id: str) -> None:
    """Bring the words of a project up to date, in the transaction that changed them."""
    session.flush()
    _put(session.connection(), [project_id])


def rebuild(connection: Connection) -> int:
    """Make the whole index anew, within a transaction; returns how many projects it has."""
    connection.execute(text(f"DELETE FROM {TABLE}"))
    connection.execute(
        text(
            "INSERT INTO search_project (project_id) SELECT id FROM project "
            "WHERE id NOT IN (SELECT project_id FROM search_project) ORDER BY id"
        )
    )
    ids = list(connection.execute(text("SELECT project_id FROM search_project ORDER BY number")).scalars())
    for start in range(0, len(ids), _BATCH):
        _put(connection, ids[start : start + _BATCH])
    return len(ids)


def _put(connection: Connection, project_ids: Sequence[str]) -> None:
    texts = texts_of(connection, project_ids)
    rows = [{"number": _number(connection, one), **texts[one]} for one in project_ids]
    statements = _PUT[connection.dialect.name]
    shaped = [_shape(connection, row) for row in rows]
    for statement in statements:
        connection.execute(text(statement), shaped)


def _number(connection: Connection, project_id: str) -> int:
    """The project's number in the index; its first."""
    asked = {"project": project_id}
    query = text("SELECT number FROM search_project WHERE project_id = :project")
    number = connection.execute(query, asked).scalar_one_or_none()
    if number is None:
        connection.execute(text("INSERT INTO search_project (project_id) VALUES (:project)"), asked)
        number = connection.execute(query, asked).scalar_one()
    return int(number)


def _shape(connection: Connection, row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row as the database keeps it."""
    if connection.dialect.name == "sqlite":
        return {"number": row["number"], **{field: _threes(row[field]) for field in Field}}
    return {**row, "grams": sorted({gram for field in Field for gram in _grams(row[field], field)})}


_COLUMNS = ", ".join(Field)
_VALUES = ", ".join(f":{field}" for field in Field)
_SET = ", ".join(f"{field} = EXCLUDED.{field}" for field in (*Field, "grams"))
_PUT = {
    "sqlite": (
        f"DELETE FROM {TABLE} WHERE rowid = :number",
        f"INSERT INTO {TABLE} (rowid, {_COLUMNS}) VALUES (:number, {_VALUES})",
    ),
    "postgresql": (
        f"INSERT INTO {TABLE} (number, {_COLUMNS}, grams) VALUES (:number, {_VALUES}, :grams) "
        f"ON CONFLICT (number) DO UPDATE SET {_SET}",
    ),
}


_MARKS = {Field.NAME: "\x01", Field.AGENCY: "\x02", Field.SECTIONS: "\x03", Field.TAGS: "\x04"}
"""Before a pair that stands in that field. ``normal`` leaves no such character in any word.

Fields of codes have none: their pairs are many, and in a code people look for longer words.
"""


def _grams(said: str, field: Field) -> Iterator[str]:
    """What is to be found in a field's text; what has a blank is in no word."""
    mark = _MARKS.get(field, "")
    for line in said.split("\n"):
        yield from line
        pairs = [gram for gram in _in_a_row(line, 2) if " " not in gram]
        yield from pairs
        yield from (gram for gram in _in_a_row(line, 3) if " " not in gram)
        if mark:
            yield from (mark + pair for pair in pairs)


def _in_a_row(line: str, length: int) -> Iterator[str]:
    return (line[at : at + length] for at in range(len(line) - length + 1))


def _threes(said: str) -> str:
    """Three characters in a row from each one on; fewer at the end of a line."""
    lines = [_units(line) for line in said.split("\n")]
    return " ".join("".join(line[at : at + 3]) for line in lines for at in range(len(line)))


def _units(said: str) -> list[str]:
    """A text in letters of which FTS5's unicode61 makes tokens, one for each of its UTF-16 units.

    What is a letter to it depends on its version of Unicode, so only what always was one stands for itself;
    all else stands in the private use area of plane 15, whose characters are part of tokens.
    https://www.sqlite.org/fts5.html#unicode61_tokenizer
    """
    if said.isascii() and said.isalnum():
        return list(said)
    raw = said.encode("utf-16-be")
    return [_letter(high << 8 | low) for high, low in zip(raw[::2], raw[1::2], strict=True)]


@lru_cache(maxsize=65536)
def _letter(unit: int) -> str:
    plain = chr(unit).isalnum() if unit < 0x80 else 0x4E00 <= unit <= 0x9FA5
    return chr(unit if plain else 0xF0000 + unit)


def find(session: Transaction, wanted: Sequence[Word]) -> str:
    """Numbers of the projects that have all these words, in decimal, parted by commas."""
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        statement, asked = _sqlite_query(wanted)
        return str(connection.execute(text(statement), asked).scalar_one() or "")
    statement, asked = _postgresql_query(wanted)
    # PostgreSQL takes comparing arrays to cost next to nothing, and reads the whole table for a word that is
    # in a third of all projects: 82 ms instead of 10 among 50,000.
    connection.execute(text("SET LOCAL enable_seqscan = off"))
    found = connection.execute(text(statement), asked).scalar_one()
    connection.execute(text("SET LOCAL enable_seqscan = on"))
    return str(found or "")


def _sqlite_query(wanted: Sequence[Word]) -> tuple[str, dict[str, Any]]:
    statement = f"SELECT group_concat(rowid) FROM {TABLE} WHERE {TABLE} MATCH :phrases"
    return statement, {"phrases": " AND ".join(f"({_phrase(one)})" for one in wanted)}


def _phrase(wanted: Word) -> str:
    """A word as FTS5's query. Quotation marks are no letters, so that no word can end its phrase."""
    units = _units(wanted.word)
    threes = ["".join(units[at : at + 3]) for at in range(max(1, len(units) - 2))]
    begins = " *" if len(units) < 3 else ""
    return f'{{{" ".join(wanted.fields)}}} : "{" ".join(threes)}"{begins}'


def _postgresql_query(wanted: Sequence[Word]) -> tuple[str, dict[str, Any]]:
    grams = {gram for one in wanted for gram in _telling(one)}
    asked: dict[str, Any] = {"grams": sorted(grams)}
    where = ["grams @> CAST(:grams AS text[])"]
    for number, one in enumerate(wanted):
        if not _is_told(one):
            texts = " || E'\\n' || ".join(one.fields)
            where.append(f"strpos({texts}, :w{number}) > 0")
            asked[f"w{number}"] = one.word
    return f"SELECT string_agg(number::text, ',') FROM {TABLE} WHERE {' AND '.join(where)}", asked


def _telling(wanted: Word) -> list[str]:
    """What each text with this word has in its array."""
    word, mark = wanted.word, _mark(wanted)
    if mark and len(word) > 1:
        return [mark + pair for pair in _in_a_row(word, 2)]
    return [word] if len(word) < 4 else list(_in_a_row(word, 3))


def _is_told(wanted: Word) -> bool:
    """Whether its array says all of it."""
    if len(wanted.fields) == len(Field):
        return len(wanted.word) < 4
    return bool(_mark(wanted)) and len(wanted.word) == 2


def _mark(wanted: Word) -> str:
    return _MARKS.get(wanted.fields[0], "") if len(wanted.fields) == 1 else ""


def create(connection: Connection) -> None:
    """Make the empty index; a step of a migration."""
    for statement in _CREATE[connection.dialect.name]:
        connection.execute(text(statement))


def drop(connection: Connection) -> None:
    """Remove the index; a step of a migration."""
    connection.execute(text(f"DROP TABLE {TABLE}"))


_CREATE = {
    "sqlite": (
        f'CREATE VIRTUAL TABLE {TABLE} USING fts5({_COLUMNS}, tokenize="unicode61 remove_diacritics 0")',
    ),
    "postgresql": (
        f"CREATE TABLE {TABLE} (number integer PRIMARY KEY, "
        + ", ".join(f"{field} text NOT NULL" for field in Field)
        + ", grams text[] NOT NULL)",
        # What is put in is found at once, and in an even time: no list of what is pending.
        f"CREATE INDEX {TABLE}_grams ON {TABLE} USING gin (grams) WITH (fastupdate = off)",
    ),
}
