"""Secrets kept beside a project while it is developed: `secrets.env`, lines of `NAME=value`.

On a server, secrets come from the project's `secrets` in the resource file, which win over this file.
"""

from __future__ import annotations

from pathlib import Path

SECRETS_FILE = "secrets.env"
MAX_SIZE = 256 * 1024


def read_secret_file(root: str | Path) -> dict[str, str]:
    """The secrets in `root/secrets.env`; none when there is no such file.

    Blank lines and lines that begin with `#` do not count; `export ` before a name and quotes around a value are
    taken off. Lines without `=` are passed over. Raises `OSError` or `ValueError` for a file that cannot be read.
    """
    path = Path(root) / SECRETS_FILE
    if not path.is_file():
        return {}
    if path.stat().st_size > MAX_SIZE:
        raise ValueError(f"{SECRETS_FILE} is larger than {MAX_SIZE // 1024} KiB")
    secrets: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        text = line.strip().removeprefix("export ")
        name, equals, value = text.partition("=")
        if text.startswith("#") or not equals or not name.strip():
            continue
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        secrets[name.strip()] = value
    return secrets
