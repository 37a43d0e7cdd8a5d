"""A chart of a page."""

from typing import Any, NamedTuple, TypeAlias

import altair as alt

HEIGHT = 260  # px

Rows: TypeAlias = list[dict[str, Any]]
Chart: TypeAlias = alt.Chart | alt.LayerChart | alt.FacetChart


class Figure(NamedTuple):
    """A chart with its heading, or the sentence that stands for an empty one."""

    title: str
    note: str
    chart: Chart | None
    height: int = HEIGHT  # px
