"""Generated pages are what their generators would write today."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import gen_docs


def test_generated_pages_are_fresh() -> None:
    assert gen_docs.find_stale(gen_docs.load_generators()) == [], "run `make docs`"


def test_a_changed_page_is_found_stale(tmp_path: Path) -> None:
    generators: dict[str, gen_docs.Generator] = {"reference/x.md": lambda: "# X\n"}
    assert gen_docs.find_stale(generators, tmp_path) == ["reference/x.md"]
    page = tmp_path / "reference" / "x.md"
    page.parent.mkdir()
    page.write_text(gen_docs.render(generators["reference/x.md"]))
    assert gen_docs.find_stale(generators, tmp_path) == []
    page.write_text(page.read_text() + "edited by hand\n")
    assert gen_docs.find_stale(generators, tmp_path) == ["reference/x.md"]
    assert gen_docs.find_stale({}, tmp_path) == ["reference/x.md"]


def test_a_page_has_one_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gen_docs, "_generators", {})
    register = gen_docs.page("reference/x.md")
    register(lambda: "one")
    with pytest.raises(ValueError, match="two generators"):
        register(lambda: "two")
