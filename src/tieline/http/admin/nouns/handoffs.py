"""Call handoffs of a project: its destinations, and what Get Handoff shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tieline.admin.exposure import ExposurePreview, RecentConversation
from tieline.admin.handoffs import DestinationCheck, ListedDestination, Variable
from tieline.http.admin.declaration import Call, Noun
from tieline.http.admin.shapes import Altered, Fields, Shape
from tieline.model.handoff import HandoffApi
from tieline.model.record import Record

handoffs = Noun("build")


class CheckQuery(Shape):
    """Which destination the draft would replace; none: it is a new one."""

    replaces: str | None = None


class Copied(Record):
    """The name of the copy."""

    name: str


class Exposed(Record):
    """What is exposed, and where it is asked for."""

    api: HandoffApi
    path: str


class ExposureDraft(Shape):
    """What to expose: as `HandoffApi`, whose defaults hold for what is left out."""

    state_keys: tuple[str, ...] | None = None
    aliases: dict[str, str] = {}
    shared_id_state_key: str = "shared_id"

    def record(self) -> HandoffApi:
        """The same as the record."""
        return HandoffApi(
            state_keys=self.state_keys, aliases=self.aliases, shared_id_state_key=self.shared_id_state_key
        )


class Preview(ExposureDraft):
    """A draft, and the conversation on which it is tried."""

    conversation_id: str


@handoffs.get("/projects/{project}/handoffs")
async def list_destinations(call: Call, project: str) -> Sequence[ListedDestination]:
    """The destinations as they hold, and what each trunk's profile would lose of them."""
    return await call.admin.handoffs.destinations(call.who, project)


@handoffs.post("/projects/{project}/handoffs")
async def add_destination(call: Call, project: str, body: Fields) -> Altered:
    """Add a destination, by the fields of a resource file; the first of a project becomes the default."""
    return call.altered(await call.admin.handoffs.add(call.who, project, body))


@handoffs.post("/projects/{project}/handoffs/check")
async def check_destination(call: Call, project: str, query: CheckQuery, body: Fields) -> DestinationCheck:
    """What would be said of a destination; nothing is saved."""
    return await call.admin.handoffs.check(call.who, project, body, replaces=query.replaces)


@handoffs.get("/projects/{project}/handoff-variables")
async def list_variables(call: Call, project: str) -> Sequence[Variable]:
    """What `$variables` header values may name."""
    return await call.admin.handoffs.variables(call.who, project)


@handoffs.get("/projects/{project}/handoffs/{name}")
async def get_destination(call: Call, project: str, name: str) -> ListedDestination:
    """One destination."""
    return await call.admin.handoffs.get(call.who, project, name)


@handoffs.put("/projects/{project}/handoffs/{name}")
async def change_destination(call: Call, project: str, name: str, body: Fields) -> Altered:
    """Put a destination in another's place; a new name is taken over by the ladders that name it."""
    return call.altered(await call.admin.handoffs.change(call.who, project, name, body))


@handoffs.delete("/projects/{project}/handoffs/{name}")
async def remove_destination(call: Call, project: str, name: str) -> Altered:
    """Take a destination away; refused while ladders name it."""
    return call.altered(await call.admin.handoffs.remove(call.who, project, name))


@handoffs.post("/projects/{project}/handoffs/{name}/duplicate")
async def duplicate_destination(call: Call, project: str, name: str) -> Copied:
    """Make a copy under a new name."""
    return Copied(name=await call.admin.handoffs.duplicate(call.who, project, name))


@handoffs.post("/projects/{project}/handoffs/{name}/default")
async def set_default_destination(call: Call, project: str, name: str) -> Altered:
    """Make a destination the default."""
    return call.altered(await call.admin.handoffs.set_default(call.who, project, name))


@handoffs.get("/projects/{project}/exposure")
async def get_exposure(call: Call, project: str) -> Exposed:
    """Which state keys Get Handoff shows, and its path."""
    api = await call.admin.exposure.get(call.who, project)
    return Exposed(api=api, path=await call.admin.exposure.address(call.who, project))


@handoffs.put("/projects/{project}/exposure")
async def save_exposure(call: Call, project: str, body: ExposureDraft) -> Altered:
    """Expose this, for calls that end from now on."""
    return call.altered(await call.admin.exposure.save(call.who, project, body.record()))


@handoffs.get("/projects/{project}/exposure/keys")
async def list_state_keys(call: Call, project: str) -> Mapping[str, str]:
    """State keys that recent calls had, each with the kind of its value."""
    return await call.admin.exposure.keys(call.who, project)


@handoffs.get("/projects/{project}/exposure/recent")
async def list_recent(call: Call, project: str) -> Sequence[RecentConversation]:
    """The newest conversations of the project, to try a draft on."""
    return await call.admin.exposure.recent(call.who, project)


@handoffs.post("/projects/{project}/exposure/preview")
async def preview_exposure(call: Call, project: str, body: Preview) -> ExposurePreview:
    """What Get Handoff answers for a conversation now, and would with the draft."""
    return await call.admin.exposure.preview(call.who, project, body.conversation_id, body.record())
