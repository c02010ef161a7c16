"""The page of behaviours and ready-made contact centres, written from their tables."""

from __future__ import annotations

from tieline.testing.contact_center import BEHAVIOURS, CENTRES
from tieline.testing.contact_center.behaviours import SUBJECTS
from tools.gen_docs import page
from tools.pages_operation import table

INTRO = """\
What the scripted peers of [`tieline.testing.contact_center`](testing.md) can be told to do, by name: in
`behaving(Manners(), ["refer-no-notify", "bye-late"])`, in `contact_center("bye-late")` of the pytest plugin, and in
`tieline simulate --behave bye-late`. Several may be laid over each other; headers, losses and what is done while a
call is up add up, everything else is replaced by the later one."""
CENTRES_INTRO = """\
Each has the name of a [trunk profile](profiles.md). Where a maker's documents say nothing, it behaves as the profile
supposes; the profile's notes say which facts are not confirmed."""


@page("reference/behaviours.md")
def behaviours_page() -> str:
    """Every behaviour by subject, and every centre."""
    parts = ["# Behaviours of scripted peers", INTRO]
    for subject, heading in SUBJECTS.items():
        rows = [(f"`{each.name}`", each.about) for each in BEHAVIOURS.values() if each.subject == subject]
        parts += [f"## {heading}", table(("behaviour", "what the peer does"), rows)]
    centres = [(f"`{each.name}`", each.title, each.about) for each in CENTRES.values()]
    parts += ["## Contact centres", CENTRES_INTRO, table(("name", "like", "what it does"), centres)]
    return "\n\n".join(parts)
