"""Bringing a database to this release's schema, and refusing one that is newer."""

from __future__ import annotations

import logging
import sqlite3
from enum import StrEnum
from pathlib import Path

from tieline.errors import ConfigurationError, SchemaTooNew
from tieline.store.sqlite_connection import make_private

MIGRATIONS = Path(__file__).parent / "migrations"

REVISIONS = ("0001", "0002", "0003", "0004")
"""The schema's versions, oldest first; the last is this release's."""


class SchemaState(StrEnum):
    """What a database holds, seen from this release."""

    EMPTY = "empty"
    CURRENT = "current"
    OLD = "old"


def schema_state(connection: sqlite3.Connection) -> SchemaState:
    """Compare the database's schema with this release's. Raises `SchemaTooNew` or `ConfigurationError`."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return SchemaState.EMPTY
    if "alembic_version" not in tables:
        raise ConfigurationError("this database was made by another program")
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if row is None:
        return SchemaState.OLD
    if row[0] not in REVISIONS:
        raise SchemaTooNew(
            f"the database has schema {row[0]}; this release knows up to {REVISIONS[-1]}", version=row[0]
        )
    return SchemaState.CURRENT if row[0] == REVISIONS[-1] else SchemaState.OLD


def migrate(path: Path) -> str:
    """Bring the database at `path`, made if need be, to this release's schema; returns its version.

    Raises `SchemaTooNew` or `ConfigurationError`. The server must not be running.
    """
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine, exc

    logging.getLogger("alembic").setLevel(logging.WARNING)  # its steps are no news to an operator
    make_private(path)
    engine = create_engine(f"sqlite:///{path}")
    try:
        with engine.begin() as connection:
            raw = connection.connection.driver_connection
            assert isinstance(raw, sqlite3.Connection)
            if schema_state(raw) is not SchemaState.CURRENT:
                config = Config()
                config.set_main_option("script_location", str(MIGRATIONS))
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
    except (sqlite3.Error, exc.SQLAlchemyError) as error:
        raise ConfigurationError(f"cannot migrate the database {path}: {error}", file=str(path)) from error
    finally:
        engine.dispose()
    return REVISIONS[-1]
