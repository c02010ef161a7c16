"""An import-linter contract that reads as a table: for each package, everything of ours that it may import."""

from __future__ import annotations

from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class Whitelist(Contract):
    """Each rule is `importer: allowed allowed ...`; `*` allows all. Names are relative to the root package.

    Direct imports count, each side covers its submodules, and the longest matching importer's rule wins. An importer
    without a rule may import nothing, so a new top-level module has to be placed before it can be used.
    """

    type_name = "whitelist"
    rules: Any = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Compare every import between our own modules with the table."""
        root = self.session_options["root_packages"][0]
        table = {
            name.strip(): set(allowed.split()) for name, allowed in (rule.split(":") for rule in self.rules)
        }
        broken: list[dict[str, Any]] = []
        for importer in sorted(graph.modules):
            if importer != root and not importer.startswith(root + "."):
                continue
            for imported in sorted(graph.find_modules_directly_imported_by(importer)):
                if imported.startswith(root + ".") and not is_allowed(
                    importer[len(root) + 1 :], imported[len(root) + 1 :], table
                ):
                    details = graph.get_import_details(importer=importer, imported=imported)
                    lines = sorted({detail["line_number"] for detail in details})
                    broken.append({"importer": importer, "imported": imported, "lines": lines})
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print each import that the table does not allow."""
        for link in check.metadata["broken"]:
            lines = ", ".join(map(str, link["lines"]))
            output.print_error(
                f"{link['importer']} may not import {link['imported']} (line {lines})", bold=False
            )
        output.new_line()


def is_allowed(importer: str, imported: str, table: dict[str, set[str]]) -> bool:
    """Tell whether the table lets `importer` import `imported`."""
    own = importer.partition(".")[0]
    if is_within(imported, own):
        return True
    homes = [name for name in table if is_within(importer, name)]
    allowed = table[max(homes, key=len)] if homes else set()
    return "*" in allowed or any(is_within(imported, name) for name in allowed)


def is_within(module: str, package: str) -> bool:
    """Tell whether `module` is `package` or below it."""
    return module == package or module.startswith(package + ".")
