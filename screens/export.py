"""Saving what a chart shows: CSV at once, pictures through a process of its own that may load matplotlib."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from textual import work

from screens.base import WorkbenchScreen
from screens.look import SERIES_ON_LIGHT
from screens.widgets.chart import Chart, Curve
from vitbench.errors import UserError
from vitbench.figures.remote import scp_line
from vitbench.files.outputs import Outputs

if TYPE_CHECKING:
    from screens.export_dialog import Export


def chart_csv(curves: tuple[Curve, ...], x_name: str) -> str:
    """A row for each x that any curve has, a column for each curve; empty where a curve has no value."""
    names = [curve.name for curve in curves]
    columns = [dict(zip(curve.x.tolist(), curve.y.tolist(), strict=True)) for curve in curves]
    places = np.unique(np.concatenate([curve.x for curve in curves])).tolist() if curves else []
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([x_name, *names])
    for x in places:
        row = [column.get(x) for column in columns]
        writer.writerow([f"{x:.10g}", *("" if value is None else repr(value) for value in row)])
    return stream.getvalue()


def chart_figure(chart: Chart) -> dict[str, object]:
    """The description of a chart that `vitbench.figures.curves` draws."""
    view = chart.view
    return {
        "title": chart.title,
        "x_name": chart.x_name if not chart.clock else "time, seconds",
        "x_range": [view.x_low, view.x_high] if chart.window is not None else None,
        "y_range": [view.y_low, view.y_high] if chart.y_window is not None else None,
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
                "smoothed": chart.smoothed(curve).tolist() if chart.is_smoothed(curve) else None,
            }
            for curve in chart.curves
        ],
    }


class Exports(WorkbenchScreen):
    """A screen whose charts can be saved."""

    def exported(self) -> tuple[Chart, str] | None:
        """The chart to save now, and a name for its file."""
        raise NotImplementedError

    def action_export(self) -> None:
        """Asks where to, then saves."""
        target = self.exported()
        if target is None or not target[0].curves:
            self.workbench.tell("There is no chart here to save.", "warning")
            return
        chart, name = target
        table, figure = chart_csv(chart.curves, chart.x_name), chart_figure(chart)
        self.ask_where(name, "chart", lambda export: chart_bytes(export, table, figure))

    def ask_where(self, name: str, what: str, draw: Callable[["Export"], bytes]) -> None:
        """Asks for file, format and style, and saves aside what `draw` makes of them; it may raise OSError."""
        from screens.export_dialog import ExportDialog

        def answered(export: "Export | None") -> None:
            if export is not None:
                self._save(export, draw)

        self.app.push_screen(ExportDialog(Path.cwd() / f"{name}.png", what), answered)

    @work(thread=True, group="export")
    def _save(self, export: "Export", draw: Callable[["Export"], bytes]) -> None:
        file = export.file
        outputs = Outputs(self.workbench.store_folder, remedy="name another file")
        try:
            outputs.plan(file)
            outputs.write(file, draw(export))
        except (UserError, OSError) as error:
            self.app.call_from_thread(self.workbench.tell, f"{file} was not saved: {error}", "error")
            return
        fetch = scp_line(file)
        self.app.call_from_thread(self.workbench.tell, f"Saved {file}" + (f"   {fetch}" if fetch else ""))


def chart_bytes(export: "Export", table: str, figure: dict[str, object]) -> bytes:
    """The numbers, or a picture of the chart. Raises OSError if it cannot be drawn."""
    if export.ending == ".csv":
        return table.encode()
    return _drawn("vitbench.figures.curves", [export.ending], json.dumps(figure | export.style()))


def confusion_bytes(export: "Export", evaluation: Path, name: str) -> bytes:
    """The confusion matrix of an evaluation in a run's folder; `name` goes into the title. Raises OSError."""
    return _drawn("vitbench.figures.confusion", [export.ending, str(evaluation), name, json.dumps(export.style())])


def _drawn(module: str, arguments: list[str], description: str = "") -> bytes:
    """Raises OSError with the last line that the drawing process wrote, if it failed."""
    command = [sys.executable, "-m", module, *arguments]
    answer = subprocess.run(command, input=description.encode(), capture_output=True, check=False)
    if answer.returncode != 0:
        lines = answer.stderr.decode(errors="replace").strip().splitlines()
        raise OSError(lines[-1] if lines else f"exit code {answer.returncode}")
    return answer.stdout
