"""What is secret is not in the text of a record, which logs and tracebacks show."""

import io

from rich.console import Console

from tieline.model.project import Project, hash_secret
from tieline.model.trunk import Trunk


def test_passwords_and_secrets_are_in_no_repr() -> None:
    trunk = Trunk(name="out", networks=(), account="ws-1", password="s3cret", auth_password="s3cret-2")
    project = Project(id="P-1", slug="p", account="ws-1", secrets={"CRM": "s3cret"})
    rich = io.StringIO()
    Console(file=rich, width=2000).print(trunk, project)
    for text in (repr(trunk), str(project), rich.getvalue()):
        assert "s3cret" not in text
    assert "password='***', " in repr(trunk).replace("auth_password", "")
    assert "password=None" in repr(Trunk(name="out", networks=(), account="ws-1"))
    assert "name='out'" in repr(trunk)


def test_text_and_bytes_of_a_secret_are_stored_alike() -> None:
    assert hash_secret("tl_é") == hash_secret("tl_é".encode())
    assert len(hash_secret("")) == 64
