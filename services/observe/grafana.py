"""Builds Grafana's dashboards: `make dashboards` writes them beside this file; a test finds stale ones."""

from __future__ import annotations

import json
from pathlib import Path

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import GraphDrawStyle, LegendDisplayMode, LegendPlacement, StackingMode
from grafana_foundation_sdk.models.dashboard import DashboardLinkType, DataSourceRef

from services.observe.boards import BOARDS, Board, Panel

HERE = Path(__file__).parent / "dashboards"
SOURCE = DataSourceRef(type_val="prometheus", uid="${source}")


def built(board: Board) -> str:
    """A dashboard as JSON; the same boards give the same text."""
    made = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.text)
        .tags(["gig-dispatch"])
        .readonly()
        .refresh("10s")
        .time("now-1h", "now")
        .timezone("browser")
        .with_variable(dashboard.DatasourceVariable("source").label("Prometheus").type("prometheus"))
        .with_variable(
            dashboard.QueryVariable("market")
            .label("Market")
            .datasource(SOURCE)
            .query("label_values(gig_policy_version, market)")
            .include_all(True)
            .all_value(".*")
            .multi(True)
        )
        .link(
            dashboard.DashboardLink("The other dashboards")
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["gig-dispatch"])
            .as_dropdown(True)
        )
    )
    for title, panels in board.rows:
        made = made.with_row(dashboard.Row(title))
        for panel in panels:
            made = made.with_panel(_panel(panel))
    return json.dumps(json.loads(JSONEncoder(sort_keys=True).encode(made.build())), indent=1, sort_keys=True) + "\n"


def _panel(panel: Panel) -> stat.Panel | timeseries.Panel:
    made = stat.Panel() if panel.kind == "number" else timeseries.Panel()
    made = made.title(panel.title).description(panel.text).unit(panel.unit).datasource(SOURCE).height(7)
    made = made.span(6 if panel.kind == "number" else 12)
    if isinstance(made, timeseries.Panel):
        made = (
            made.draw_style(GraphDrawStyle.LINE)
            .line_width(1)
            .legend(
                common.VizLegendOptions()
                .display_mode(LegendDisplayMode.LIST)
                .placement(LegendPlacement.BOTTOM)
                .show_legend(any(query.legend for query in panel.queries))
            )
        )
        if panel.kind == "stack":
            made = made.stacking(common.StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(30)
    for place, query in enumerate(panel.queries):
        target = prometheus.Dataquery().expr(query.expr).ref_id("ABCDEF"[place]).legend_format(query.legend or "__auto")
        made = made.with_target(target)
    return made


def main() -> None:
    HERE.mkdir(exist_ok=True)
    for board in BOARDS:
        (HERE / f"{board.uid}.json").write_text(built(board), "utf-8")


if __name__ == "__main__":
    main()
