"""The fields of a project, for making and for changing one."""

from __future__ import annotations

from tieline.admin.projects import ListedProject
from tieline.model.environment import Environment
from tieline.studio.parts.forms import Form, pair
from tieline.studio.parts.states import Tone

ENVIRONMENTS = {
    Environment.SANDBOX.value: "sandbox",
    Environment.PRE_RELEASE.value: "pre-release",
    Environment.LIVE.value: "live",
}


def environment_badge(env: Environment) -> tuple[str, Tone]:
    """An environment in a word, and its tone."""
    tones = {Environment.LIVE: Tone.GOOD, Environment.PRE_RELEASE: Tone.INFO}
    return ENVIRONMENTS[env.value], tones.get(env, Tone.QUIET)


def add_fields(
    form: Form,
    env: Environment,
    there: ListedProject | None = None,
    *,
    everywhere: bool,
    destinations: tuple[str, ...] = (),
) -> None:
    """Add the fields. `everywhere`: whoever fills them in may choose a folder of the server."""
    form.text("name", "Name", value=there.name if there else "", hint="For people")
    with pair():
        form.choice(
            "env", "Environment", ENVIRONMENTS, value=env.value, hint="What the agent sees as conv.env"
        )
        if there is not None and destinations:
            form.choice(
                "fallback_handoff", "Fall-back handoff", list(destinations), value=there.fallback_handoff,
                clearable=True, hint="When the agent fails; else the default one",
            )  # fmt: skip
    if everywhere:
        form.text(
            "path", "Agent's folder", value=there.path if there else "", mono=True,
            hint="On this server; its code is checked before it is taken",
        )  # fmt: skip
    form.lines(
        "numbers", "Numbers", value=there.numbers if there else (),
        hint="Numbers and extensions that lead here without a reservation, one a line",
    )  # fmt: skip
    form.switch(
        "answer_only", "Answer and hold, without an agent", value=there.answer_only if there else False,
        hint="To try a trunk out before there is an agent",
    )  # fmt: skip
