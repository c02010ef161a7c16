"""Secrets of projects at rest: encrypted in the file, in clear for those who hold the key."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from cryptography.fernet import Fernet

from tieline.errors import ConfigurationError
from tieline.model.project import Project
from tieline.model.resources import Resources
from tieline.model.trunk import Trunk
from tieline.store.migration import migrate
from tieline.store.seal import MARK, Seal, seal_of, unopened
from tieline.store.sqlite import SqliteStore
from tieline.testing.store_samples import T0

SECRET = "swordfish-äöü"
DESK = Project(id="PROJECT-desk", slug="desk", account="ws-a", secrets={"crm": SECRET})
PEER = Trunk(name="pbx", networks=("192.0.2.1/32",), username="acme", password="open-sesame-äöü")
PLAIN = Project(id="PROJECT-plain", slug="plain", account="ws-a")


def key() -> str:
    return Fernet.generate_key().decode()


@asynccontextmanager
async def opened(path: Path, environ: dict[str, str] | None = None) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path, seal=Seal(path.with_name("tieline.db.key"), environ or {}))
    await store.open(T0)
    try:
        yield store
    finally:
        await store.close()


async def give(store: SqliteStore, *projects: Project) -> None:
    await store.apply(lambda current: msgspec.structs.replace(current, projects=projects), T0)


def at_rest(database: Path) -> bytes:
    return b"".join(
        path.read_bytes() for path in database.parent.glob("tieline.db*") if path.suffix != ".key"
    )


def files_of(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_a_new_database_is_its_owners_alone(tmp_path: Path) -> None:
    database = tmp_path / "tieline.db"
    migrate(database)
    async with opened(database) as store:
        await give(store, PLAIN)
        made = {path.name: stat.S_IMODE(path.stat().st_mode) for path in files_of(tmp_path)}
        assert set(made) >= {"tieline.db", "tieline.db-wal"}
        assert set(made.values()) == {0o600}
    database.chmod(0o640)
    async with opened(database):
        assert stat.S_IMODE(database.stat().st_mode) == 0o640  # left as the operator wants it


async def test_a_key_file_is_made_at_first_need_and_nothing_is_stored_in_clear(database: Path) -> None:
    key_file = database.with_name("tieline.db.key")
    async with opened(database) as store:
        await give(store, PLAIN)
        assert not key_file.exists()
        await give(store, PLAIN, DESK)
        assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
        assert (await store.resources()).projects == (PLAIN, DESK)
        assert SECRET.encode() not in at_rest(database)
        assert MARK.encode() in at_rest(database)
        assert await store.unsealed_secrets() == 0
    async with opened(database) as store:
        assert (await store.resources()).projects == (PLAIN, DESK)
        before = at_rest(database)
        await give(store, PLAIN, DESK)
        assert at_rest(database).count(MARK.encode()) == before.count(MARK.encode())


async def test_without_the_key_only_projects_with_secrets_are_out_of_service(database: Path) -> None:
    key_file = database.with_name("tieline.db.key")
    async with opened(database) as store:
        await give(store, PLAIN, DESK)
    kept = key_file.rename(key_file.with_suffix(".away"))
    async with opened(database) as store:
        plain, desk = (await store.resources()).projects
        assert unopened(plain) is None
        assert desk.secrets["crm"].startswith(MARK)
        assert "secrets that cannot be opened: crm; bring back the key" in str(unopened(desk))
        await give(store, msgspec.structs.replace(plain, name="Renamed"), desk)
        with pytest.raises(ConfigurationError, match="there is no key, and secrets are sealed with one"):
            await give(store, msgspec.structs.replace(plain, secrets={"a": "b"}), desk)
        assert not key_file.exists()
    kept.rename(key_file)
    async with opened(database) as store:
        plain, desk = (await store.resources()).projects
        assert (plain.name, desk.secrets) == ("Renamed", {"crm": SECRET})


async def test_a_lost_key_is_mended_by_applying_the_secrets_anew(database: Path) -> None:
    async with opened(database, {"TIELINE_STORE_KEY": key()}) as store:
        await give(store, DESK)
    environ = {"TIELINE_STORE_KEY": key()}
    async with opened(database, environ) as store:
        assert unopened((await store.resources()).projects[0]) is not None
        assert await store.unsealed_secrets() == 0
        await give(store, DESK)
        assert (await store.resources()).projects == (DESK,)
    assert not database.with_name("tieline.db.key").exists()


async def test_passwords_of_trunks_are_sealed_and_opened_too(database: Path) -> None:
    quiet = Trunk(name="quiet", networks=("192.0.2.2/32",))

    async with opened(database) as store:
        await store.apply(lambda _: Resources(projects=(DESK,), trunks=(PEER, quiet)), T0)
        assert b"open-sesame" not in at_rest(database)
    async with opened(database) as store:
        found = await store.resources()
        assert (found.projects, found.trunks) == ((DESK,), (PEER, quiet))
        assert unopened(found.trunks[0]) is None
    async with opened(database, {"TIELINE_STORE_KEY": key()}) as store:
        found = await store.resources()
        assert "secrets that cannot be opened: password;" in str(unopened(found.trunks[0]))
        assert unopened(found.trunks[1]) is None
        await store.apply(lambda _: msgspec.structs.replace(found, trunks=(PEER, quiet)), T0)
        assert (await store.resources()).trunks == (PEER, quiet)


async def test_rotation(database: Path) -> None:
    old, new = key(), key()
    async with opened(database, {"TIELINE_STORE_KEY": old}) as store:
        await give(store, DESK)
    async with opened(database, {"TIELINE_STORE_KEY": f"{new}, {old}"}) as store:
        assert (await store.resources()).projects == (DESK,)
        assert await store.unsealed_secrets() == 1
        await store.apply(lambda current: current, T0)
        assert await store.unsealed_secrets() == 0
    async with opened(database, {"TIELINE_STORE_KEY": new}) as store:
        assert (await store.resources()).projects == (DESK,)


async def test_secrets_in_clear_are_read_and_sealed_by_the_next_apply(database: Path) -> None:
    async with opened(database) as store:
        await give(store, PLAIN)

        def as_before(connection: object) -> None:
            document = msgspec.json.encode((DESK,)).decode()
            connection.execute("UPDATE resources SET document = ? WHERE kind = 'projects'", (document,))  # type: ignore[attr-defined]
            connection.execute("UPDATE resources_version SET version = version + 1")  # type: ignore[attr-defined]

        await store._writer.submit(as_before)
        assert (await store.resources()).projects == (DESK,)
        assert await store.unsealed_secrets() == 1
        await store.apply(lambda current: current, T0)
        assert await store.unsealed_secrets() == 0
        assert (await store.resources()).projects == (DESK,)


@pytest.mark.parametrize("text", ["hunter2 hunter2", "Zm9v", "ä", f"{'A' * 43}=,x"])
async def test_a_key_that_is_none_is_named_and_not_shown(database: Path, text: str) -> None:
    async with opened(database, {"TIELINE_STORE_KEY": text}) as store:
        await give(store, PLAIN)
        with pytest.raises(
            ConfigurationError, match="TIELINE_STORE_KEY: holds something that is no key"
        ) as caught:
            await give(store, DESK)
        assert text not in caught.value.message
        assert (await store.resources()).projects == (PLAIN,)
        assert await store.unsealed_secrets() == 0


async def test_a_key_file_that_cannot_be_used(database: Path, tmp_path: Path) -> None:
    folder = Seal(tmp_path, {})
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        folder.has_key()
    (tmp_path / "bytes").write_bytes(b"\xff\xff")
    with pytest.raises(ConfigurationError, match="cannot be read: it is not text"):
        Seal(tmp_path / "bytes", {}).has_key()
    with pytest.raises(ConfigurationError, match="cannot be made: No such file"):
        Seal(tmp_path / "none" / "key", {}).close((DESK,), ())
    (tmp_path / "key").write_text(key() + "\n")
    sealed = Seal(tmp_path / "key", {}).close((DESK,), ())
    assert seal_of(tmp_path / "db", str(tmp_path / "key")).open(sealed) == (DESK,)
    (tmp_path / "key").write_text("spoilt")
    assert Seal(tmp_path / "key", {}).open(sealed) == sealed


async def test_a_failed_apply_stores_nothing(database: Path) -> None:
    async with opened(database, {"TIELINE_STORE_KEY": "x"}) as store:
        version = await store.resources_version()
        with pytest.raises(ConfigurationError):
            await give(store, DESK)
        assert (await store.resources(), await store.resources_version()) == (Resources(), version)
