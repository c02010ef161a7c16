"""The page of the admin API, written from its routes."""

from __future__ import annotations

from tieline.http.admin.openapi import FIELDS, STATUSES, in_words, properties
from tieline.http.admin.routes import ROUTES
from tieline.http.admin.shapes import Fields
from tools.gen_docs import page
from tools.pages_operation import table

INTRO = """\
What the studio does, for programs: the same functions, the same checks, the same entries in the audit log. The OpenAPI
document with every shape is at `/v1/admin/openapi.json`; clients can be made from it. [Administer by
HTTP](../howto/admin-api.md) shows a first session.

A request carries an API key with the scope `admin` in `x-api-key`, or as `Authorization: Bearer`. The key's account
confines it, and its project where it names one; what belongs to others is not there for it. It has every right but
personal data (callers' numbers in full, transcripts, attributes, header values), which takes the scope
`conversations:read` too; a key of one project has no say over people.

`POST /v1/admin/apply` takes a [resource file](resources.md) of up to 1 MiB, as YAML or JSON. All of it has to be the
key's own: its account's, or its project's. It removes nothing, chooses no folder of the server, and gives secrets as
they are: `value_from_env` reads the server's environment. All this is for [`tieline apply`](cli.md).

Refusals have one shape: `{"error_message", "code", "faults"}`; each of `faults` names a `field` and says in `message`
what is wrong with it. Answers are not to be kept (`Cache-Control: no-store`): some hold a secret that is shown once."""


@page("reference/admin-api.md")
def admin_page() -> str:
    """Every route with what it takes."""
    parts = ["# Admin API", INTRO, "## Statuses"]
    parts.append(table(("status", "meaning"), [(str(code), words) for code, words in STATUSES.items()]))
    for one in ROUTES:
        parts += [f"## {one.method} {one.path}", f"{one.summary} Takes the right `{one.right}`."]
        rows = [(f"`{name}`", "path", "") for name in one.parts]
        rows += [(f"`{name}`", "query", in_words(schema)) for name, schema in properties(one.query).items()]
        rows += [(f"`{name}`", "body", in_words(schema)) for name, schema in properties(one.body).items()]
        rows += [("fields", "body", FIELDS)] if one.body == Fields else []
        if rows:
            parts.append(table(("name", "in", "meaning"), rows))
    return "\n\n".join(parts)
