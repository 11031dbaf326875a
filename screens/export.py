"""Saving charts and confusion matrices: the numbers by the app itself, pictures by the inspector."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from textual import work

from screens.asking import SAID_AFTER
from screens.base import WorkbenchScreen
from screens.look import SERIES_ON_LIGHT
from screens.widgets.chart import Chart, Curve, SpreadBand
from vitbench.comparing.curves import ComparedCurve, lines_csv
from vitbench.errors import UserError
from vitbench.figures.remote import scp_line
from vitbench.files.outputs import Outputs
from vitbench.inspector.client import InspectorError
from vitbench.requests.base import Request
from vitbench.requests.confusion import confusion_csv, confusion_request, read_document
from vitbench.requests.drawing import Drawing
from vitbench.requests.plots import ConfusionRequest, CurvesRequest

if TYPE_CHECKING:
    from screens.export_dialog import Export


def chart_csv(
    curves: tuple[Curve, ...], x_name: str, spreads: tuple[SpreadBand, ...] = (), places: tuple[str, ...] = ()
) -> str:
    """What a chart shows as a table, as `lines_csv` writes it."""
    bands = {spread.key: spread.values for spread in spreads if spread.key}
    lines = [
        ComparedCurve(curve.name, curve.x, curve.y, *((band.low, band.high) if (band := bands.get(curve.key)) else ()))
        for curve in curves
    ]
    return lines_csv(lines, x_name, places, marks=not all(curve.linked for curve in curves))


def chart_figure(chart: Chart) -> dict[str, object]:
    """The values of a `CurvesRequest` for what a chart shows."""
    viewport = chart.viewport
    bands = {spread.key: spread.band for spread in chart.spreads if spread.key}
    return {
        "title": chart.title,
        "x_name": chart.x_name if not chart.clock else "time, seconds",
        "x_names": list(chart.places),
        "x_range": [viewport.x_low, viewport.x_high] if chart.window is not None else None,
        "y_range": [viewport.y_low, viewport.y_high] if chart.y_window is not None else None,
        "x_log": chart.x_log,
        "y_log": chart.y_log,
        "y_name": chart.title,
        "note": f"smoothing {chart.smoothing:g}" if any(map(chart.is_smoothed, chart.curves)) else "",
        "curves": [
            {
                "name": curve.name,
                "colour": SERIES_ON_LIGHT[curve.colour % len(SERIES_ON_LIGHT)],
                "dash": curve.colour // len(SERIES_ON_LIGHT),
                "x": curve.x.tolist(),
                "y": curve.y.tolist(),
                "linked": curve.linked,
                "smoothed": chart.smoothed(curve).tolist() if chart.is_smoothed(curve) else None,
                "low": bands[curve.key].low.tolist() if curve.key in bands else None,
                "high": bands[curve.key].high.tolist() if curve.key in bands else None,
            }
            for curve in chart.curves
        ],
    }


class Exports(WorkbenchScreen):
    """A screen whose charts can be saved."""

    def exported(self) -> tuple[Chart, str] | None:
        """The chart to save now, and a name for its file."""
        raise NotImplementedError  # each screen has its own

    def action_export(self) -> None:
        """Asks where to, then saves."""
        target = self.exported()
        if target is None or not target[0].curves:
            self.workbench.tell("There is no chart here to save.", "warning")
            return
        chart, name = target
        table, figure = chart_csv(chart.curves, chart.x_name, chart.spreads, chart.places), chart_figure(chart)
        self.ask_where(name, "chart", lambda: CurvesRequest.read(figure), lambda: table)

    def export_confusion(self, evaluation: Path, title: str, name: str) -> None:
        """Asks where to, then saves the confusion matrix of an evaluation in a run's folder."""

        def request() -> ConfusionRequest:
            return confusion_request(read_document(evaluation), title, evaluation)

        def table() -> str:
            document = read_document(evaluation)
            return confusion_csv(np.array(document["confusion"], np.int64), document["classes"])

        self.ask_where(name, "confusion matrix", request, table)

    def ask_where(self, name: str, what: str, request: Callable[[], Request], table: Callable[[], str]) -> None:
        """Asks for file, format and style, then saves the figure of a request, or the table as CSV.

        Both are made aside, and may raise UserError.
        """
        from screens.export_dialog import ExportDialog

        def answered(export: "Export | None") -> None:
            if export is not None:
                self._save(export, request, table)

        self.app.push_screen(ExportDialog(Path.cwd() / f"{name}.png", what), answered)

    @work(group="export")
    async def _save(self, export: "Export", request: Callable[[], Request], table: Callable[[], str]) -> None:
        saving = self._saved(export, request, table)
        try:
            task = asyncio.ensure_future(saving)
            done, _ = await asyncio.wait([task], timeout=SAID_AFTER)
            if not done:
                self.workbench.tell(f"Saving {export.file.name} ...")
            file = await task
        except (UserError, OSError, InspectorError) as error:
            self.workbench.tell(f"{export.file} was not saved: {error}", "error")
            return
        fetch = scp_line(file)
        self.workbench.tell(f"Saved {file}" + (f"   {fetch}" if fetch else ""))

    async def _saved(self, export: "Export", request: Callable[[], Request], table: Callable[[], str]) -> Path:
        """Where it was saved: under a name that is free."""
        if export.ending == ".csv":
            outputs = Outputs(self.workbench.store_folder)
            content = (await asyncio.to_thread(table)).encode("utf-8", "surrogateescape")
            return await asyncio.to_thread(outputs.write_new, export.file, content)
        asked = await asyncio.to_thread(request)
        drawing = Drawing.of_style(export.style())
        answer = await self.workbench.inspector.ask(
            "save_sheet", kind=asked.kind, request=asked.record(), file=str(export.file), drawing=drawing.record()
        )
        return Path(answer.values["file"])
