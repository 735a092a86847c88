"""The database of records: SQLite in the records' folder, or PostgreSQL; one writer at a time, whoever it is.

PostgreSQL is reached by pg8000, loaded only where a station file asks for it. Writers of all stations take turns by an
advisory lock of one transaction, so that there is one chain over all rows; a writer that hangs loses its turn
(``idle_in_transaction_session_timeout``). Tried with PostgreSQL 15.
"""

import os
import sqlite3
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from partgate.errors import RecordError
from partgate.records.config import DatabaseConfig, RecordsConfig, records_at
from partgate.records.schema import SCHEMA_VERSION, bring_up, schema_version

DATABASE_FILE = "records.sqlite"
_BUSY_S = 5.0
_NO_FILE = (-1, -1)
_READ_WITHIN_S = 120.0  # one page of a long table; nobody waits at the line
_TURN = 7_421_640_100  # any number, the same for all stations
_TURN_SHARE, _WAIT_SHARE = (
    0.5,
    0.8,
)  # of the time to answer: a turn ends before the wait for it, that before the socket's


def open_database(where: Path | RecordsConfig, *, create: bool = False) -> Engine:
    """Return the database of records, brought up to the present schema.

    Args:
        where: Records folder, or the records' part of a station file.
        create: To write: tables are made where they do not exist, and each transaction has the database for itself.

    Raises:
        RecordError: If it is missing, not reachable, not readable, or of a newer schema.
        ConfigError: If the password is not where the station file says.
    """
    config = records_at(where)
    name, engine = place_of(config), None
    if not create and config.database is None and not (config.folder / DATABASE_FILE).is_file():
        raise RecordError(
            f"{config.folder}: holds no {DATABASE_FILE}; name the folder that the station file gives under records"
        )
    try:
        engine = _postgresql(config.database, create) if config.database else _sqlite(config, create)
        with engine.begin() as connection:
            if create:
                bring_up(connection)
            found = schema_version(connection)
        if not found:
            raise RecordError("holds no records; name the station file or the folder of a station that ran")
        if found < SCHEMA_VERSION:  # one who only reads brings it up as the station would, held for writing
            open_database(config, create=True).dispose()
    except RecordError as error:
        _close(engine)
        raise RecordError(f"{name}: {error}") from None
    except ImportError:
        raise RecordError(f'{name}: needs pg8000; install it with: pip install "partgate[postgresql]"') from None
    except (OSError, SQLAlchemyError) as error:
        _close(engine)
        hint = "are host, name, user and password right?" if config.database else "is the disk full or read-only?"
        raise RecordError(f"{name}: cannot be opened: {cause_of(error)}; {hint}") from error
    return engine


def _close(engine: Engine | None) -> None:
    if engine is not None:
        engine.dispose()


def place_of(config: RecordsConfig) -> str:
    """Return how people know the database."""
    at = config.database
    return f"database '{at.name}' on {at.host}:{at.port}" if at else str(config.folder / DATABASE_FILE)


def identity_of(config: RecordsConfig) -> tuple[int, int] | None:
    """Return what tells a database file from another that took its place; ``None`` on a server.

    A file that was deleted while it is open takes rows and keeps none: its writer must look.

    """
    if config.database is not None:
        return None
    try:
        facts = (config.folder / DATABASE_FILE).stat()
    except FileNotFoundError:
        return _NO_FILE
    return facts.st_dev, facts.st_ino


def cause_of(error: BaseException) -> str:
    """Return in one line what a database library says, without statement and values."""
    origin = getattr(error, "orig", None) or error
    said = origin.args[0] if origin.args and isinstance(origin.args[0], dict) else {}  # pg8000: fields of the message
    lines = str(said.get("M") or origin).splitlines()
    return lines[0] if lines else type(origin).__name__


def _sqlite(config: RecordsConfig, create: bool) -> Engine:
    path = config.folder / DATABASE_FILE
    if create:
        config.folder.mkdir(parents=True, exist_ok=True)
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": _BUSY_S})
    event.listen(engine, "connect", _prepare_sqlite)
    if create:
        event.listen(engine, "begin", _lock_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # A flipped byte may leave text that is no UTF-8: it is shown escaped, so that its row can be named.
    connection.text_factory = lambda content: content.decode("utf-8", "backslashreplace")
    connection.isolation_level = None  # transactions begin where SQLAlchemy says so, not where the driver guesses
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # a record that was written survives a power cut


def _lock_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")  # reading the newest digest and adding a row are one step


def _postgresql(config: DatabaseConfig, create: bool) -> Engine:
    password = config.password.read().get_secret_value()
    url = URL.create("postgresql+pg8000", config.user, password, config.host, config.port, config.name)
    arguments: dict[str, Any] = {
        "timeout": config.answer_within_s if create else max(config.answer_within_s, _READ_WITHIN_S),
        "application_name": f"partgate {os.getpid()}",
    }
    if config.tls == "verify":
        arguments["ssl_context"] = ssl.create_default_context(cafile=config.ca)
    engine = create_engine(url, connect_args=arguments, hide_parameters=True, pool_pre_ping=True)
    if create:
        event.listen(engine, "connect", _prepare_postgresql(round(1000 * config.answer_within_s)))
        event.listen(engine, "begin", _lock_postgresql)
    return engine


def _prepare_postgresql(answer_within_ms: int) -> Callable[[Any, object], None]:
    def prepare(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"SET lock_timeout = {round(_WAIT_SHARE * answer_within_ms)}")
        cursor.execute(f"SET idle_in_transaction_session_timeout = {round(_TURN_SHARE * answer_within_ms)}")
        connection.commit()

    return prepare


def _lock_postgresql(connection: Connection) -> None:
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_TURN})")
