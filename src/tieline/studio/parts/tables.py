"""Tables: sortable, in pages, empty when there is nothing, and one block per row at phone width."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from nicegui import ui
from nicegui.events import GenericEventArguments

from tieline.studio.parts.states import empty
from tieline.studio.parts.times import iso
from tieline.studio.paths import PREFIX

Row = Mapping[str, Any]
"""One row: values by column name. `id` tells rows apart; see `Column` for what else a row may have."""

Kind = Literal["text", "mono", "number", "time", "ago", "badge", "chips", "actions"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    `text` and `mono` show the value; `number` right-aligned in the fixed-width font; `time` and `ago` take a
    `datetime`; `badge` takes the text, and its tone (`good`, `warn`, `bad`, `info`, `quiet`) in the row's
    `<name>_tone`; `chips` takes a list of texts; `actions` shows the buttons of `actions` (name -> icon and label).
    The row's `<name>_path` makes the value a link within the studio, `<name>_sub` adds a quieter line below it.
    `blank` stands where there is no value.
    """

    name: str
    label: str
    kind: Kind = "text"
    sortable: bool = True
    nowrap: bool = False
    actions: tuple[tuple[str, str, str], ...] = ()
    blank: str = "–"


_BODY = """
<q-tr :props="props" :class="{'tl-row-open': props.row._opens}"
      @click="props.row._opens && $parent.$emit('open', props.row.id)">
  <q-td v-for="col in props.cols" :key="col.name" :props="props" :data-label="col.label"
        :class="{'tl-number': col.kind === 'number', 'tl-cell-nowrap': col.nowrap}">
    <div v-if="col.kind === 'actions'" class="tl-row" style="justify-content: flex-end; flex-wrap: nowrap">
      <q-btn v-for="act in col.actions" :key="act[0]" flat round dense size="sm" :icon="act[1]" :aria-label="act[2]"
             @click.stop="$parent.$emit('act', [act[0], props.row.id])"><q-tooltip>{{ act[2] }}</q-tooltip></q-btn>
    </div>
    <div v-else>
      <tl-time v-if="(col.kind === 'time' || col.kind === 'ago') && props.row[col.name]"
               :datetime="props.row[col.name]" :show="col.kind === 'ago' ? 'ago' : 'full'"></tl-time>
      <span v-else-if="props.row[col.name] === null || props.row[col.name] === undefined || props.row[col.name] === ''"
            class="tl-muted">{{ col.blank }}</span>
      <span v-else-if="col.kind === 'badge'"
            :class="'tl-badge tl-badge-' + (props.row[col.name + '_tone'] || 'quiet')">{{ props.row[col.name] }}</span>
      <span v-else-if="col.kind === 'chips'" class="tl-row" style="gap: 4px">
        <span v-for="one in props.row[col.name].split('\\n')" :key="one" class="tl-chip">{{ one }}</span>
      </span>
      <a v-else-if="props.row[col.name + '_path']" class="tl-cell-link" :class="{'tl-mono': col.kind === 'mono'}"
         :href="props.row[col.name + '_path']" @click.stop>{{ props.row[col.name] }}</a>
      <span v-else :class="{'tl-mono': col.kind === 'mono'}">{{ props.row[col.name] }}</span>
      <span v-if="props.row[col.name + '_sub']" class="tl-cell-sub">{{ props.row[col.name + '_sub'] }}</span>
    </div>
  </q-td>
</q-tr>
"""


class DataTable:
    """A table of `columns`. `rows` may be set again at any time; the page and the order that was chosen stay.

    `on_open(id)` is called when a row is clicked (give a column a `_path`, too: links work from the keyboard);
    `on_act(name, id)` when one of a row's buttons is. `with table.when_empty():` adds what is shown without rows.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        rows: Iterable[Row] = (),
        *,
        per_page: int = 25,
        label: str = "",
        sort_by: str = "",
        descending: bool = False,
        on_open: Callable[[str], Any] | None = None,
        on_act: Callable[[str, str], Any] | None = None,
    ) -> None:
        self.columns = tuple(columns)
        self._per_page = per_page
        self._opens = on_open is not None
        pagination: dict[str, Any] = {"rowsPerPage": per_page, "descending": descending}
        if sort_by:
            pagination["sortBy"] = sort_by
        self.element = ui.table(
            columns=[_column(one) for one in columns], rows=[], row_key="id", pagination=pagination
        )
        self.element.classes("tl-table").props(
            "flat binary-state-sort :rows-per-page-options='[10, 25, 50, 100, 0]'"
        )
        if label:
            self.element.props["aria-label"] = label
        self.element.add_slot("body", _BODY)
        self.rows = rows
        if on_open is not None:
            self.element.on("open", lambda event: on_open(str(event.args)))
        if on_act is not None:
            self.element.on("act", lambda event: _act(on_act, event))

    @property
    def rows(self) -> Iterable[Row]:
        """The rows as they are shown."""
        found: list[dict[str, Any]] = self.element.rows
        return found

    @rows.setter
    def rows(self, rows: Iterable[Row]) -> None:
        shown = [
            {**{key: _cell(key, value) for key, value in row.items()}, "_opens": self._opens} for row in rows
        ]
        self.element.props["hide-pagination"] = len(shown) <= self._per_page
        self.element.rows = shown

    @property
    def loading(self) -> bool:
        """Whether a bar says that rows are being fetched."""
        return bool(self.element.props.get("loading"))

    @loading.setter
    def loading(self, value: bool) -> None:
        self.element.props["loading"] = value

    def when_empty(self) -> AbstractContextManager[Any]:
        """Within, elements are added that stand in for rows when there are none, such as `empty(...)`."""
        return self.element.add_slot("no-data")


def table(
    columns: Sequence[Column], rows: Iterable[Row], *, icon: str, nothing: str, text: str = "", **options: Any
) -> DataTable:
    """A `DataTable` with its empty state: an icon and a sentence. `options` are those of `DataTable`."""
    made = DataTable(columns, rows, **options)
    with made.when_empty():
        empty(icon, nothing, text)
    return made


def _column(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "field": column.name,
        "label": column.label,
        "align": "right" if column.kind in {"number", "actions"} else "left",
        "sortable": column.sortable and column.kind != "actions",
        "kind": column.kind,
        "nowrap": column.nowrap or column.kind in {"number", "time", "ago", "badge"},
        "actions": [list(one) for one in column.actions],
        "blank": column.blank,
    }


def _cell(key: str, value: Any) -> Any:
    """A value as the page's template takes it; lists would be spelled out by the table itself."""
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, list | tuple | set | frozenset):
        return "\n".join(str(one) for one in value)
    if key.endswith("_path") and value:
        return f"{PREFIX}{value}"
    return value


def _act(on_act: Callable[[str, str], Any], event: GenericEventArguments) -> Any:
    name, key = event.args
    return on_act(str(name), str(key))
