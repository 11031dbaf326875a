"""`vitbench report RUN --out DIR`: everything that a run has to tell, in sentences with their numbers and figures."""

import argparse
from pathlib import Path

from vitbench.commands._outputs import add_overwrite, outputs_of
from vitbench.methods import METHODS
from vitbench.output import print_json
from vitbench.paths import expanded, store_folder
from vitbench.progress import ConsoleProgress
from vitbench.requests.report import ReportRequest
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("run_", metavar="RUN", help="an id, the beginning of one, a name, or `last`; RUN@STEP")
    parser.add_argument("--captions", metavar="RUN|MODEL", help="a captioner: a run, demo, a folder or a file")
    parser.add_argument("--captions-data", metavar="DIR", help="pictures with captions and masks for the captioner")
    parser.add_argument("--attention-model", metavar="MODEL", help="another network whose attention is shown")
    words = "what else was tried; a run's own sweep is told of anyway"
    parser.add_argument("--compare", metavar="RUN|SWEEP", nargs="+", default=[], help=words)
    parser.add_argument("--pictures", metavar="IMAGE", nargs="+", default=[], help="whose attention is shown")
    parser.add_argument("--masks", metavar="DIR", help="pictures with masks (default: the run's data)")
    parser.add_argument("--method", metavar="M", help=f"of mapping attention: {', '.join(METHODS)} (default: raw)")
    parser.add_argument("--count", type=int, metavar="N", help="most pictures that are measured (default 60)")
    parser.add_argument("--out", metavar="DIR", type=Path, help="a folder (default: report-RUN)")
    parser.add_argument("--json", action="store_true")
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    """Gathers, writes, and prints where."""
    from vitbench.compose.sources import Sources
    from vitbench.report.making import make_report

    given = {
        "captions": arguments.captions,
        "captions_data": _address(arguments.captions_data),
        "attention_model": arguments.attention_model,
        "compare": arguments.compare or None,
        "pictures": [str(Path(file).absolute()) for file in arguments.pictures] or None,
        "masks": _address(arguments.masks),
        "method": arguments.method,
        "count": arguments.count,
    }
    values = {name: value for name, value in given.items() if value is not None}
    request = ReportRequest.read({"run": arguments.run_} | values)
    sources, progress = Sources(store_folder(arguments.store)), ConsoleProgress()
    folder = arguments.out or Path(f"report-{sources.store.find(request.run.partition('@')[0]).id}")
    outputs = outputs_of(arguments, inputs=arguments.pictures, data=[arguments.masks, arguments.captions_data])
    report = make_report(request, sources, folder, outputs=outputs, progress=progress)
    progress.close()
    if arguments.json:
        print_json({"folder": str(report.folder), "files": list(report.files), "notes": list(report.notes)})
        return 0
    for name in report.files:
        print(clean(str(report.folder / name)))
    for note in report.notes:
        print(clean(note))
    return 0


def _address(text: str | None) -> str | None:
    """Data by an absolute path, so that a figure may be made again from elsewhere."""
    if text is None or text.startswith("scenes:"):
        return text
    return str(expanded(text).absolute())
