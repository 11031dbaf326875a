"""What the screens ask for to leave with: a report, a network for other libraries."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitbench.compose.sources import Sources
from vitbench.files.outputs import Outputs
from vitbench.inspector.handlers import Handler, Reply
from vitbench.progress import Progress


class LeavingRequests:
    """The handlers."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.handlers: Mapping[str, Handler] = {
            "report": self.report,
            "export_network": self.export_network,
        }

    def report(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """The report that `request` asks for, into `folder`; answers with the `files` and `notes`."""
        from vitbench.report.making import make_report
        from vitbench.requests.report import ReportRequest

        request = ReportRequest.read(dict(arguments["request"]))
        folder = Path(str(arguments["folder"]))
        # Networks of its own: what the previews have in memory is theirs, and on their device.
        sources = Sources(self.sources.folder)
        made = make_report(request, sources, folder, outputs=self._outputs(), progress=progress)
        return Reply({"folder": str(made.folder), "files": list(made.files), "notes": list(made.notes)})

    def export_network(self, arguments: dict[str, object], progress: Progress) -> Reply:
        """The `network` as a `folder` in a `format`; answers with what was `checked` and the `notes`."""
        from vitbench.export.exporting import export_network

        folder = Path(str(arguments["folder"]))
        exported = export_network(
            str(arguments["network"]),
            self.sources.store,
            folder,
            format=str(arguments["format"]),
            outputs=self._outputs(),
            progress=progress,
        )
        return Reply({"folder": str(folder), "checked": exported.checked, "notes": list(exported.notes)})

    def _outputs(self) -> Outputs:
        return Outputs(self.sources.folder, remedy="name another one")
