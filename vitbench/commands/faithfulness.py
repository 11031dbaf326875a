"""`vitbench faithfulness RUN|MODEL --data DIR`: how good the maps of each method are, on pictures with masks."""

import argparse
from pathlib import Path
from typing import Any

from vitbench.commands._networks import add_network, open_chosen
from vitbench.commands._outputs import add_overwrite, outputs_of
from vitbench.errors import UserError
from vitbench.methods import METHODS
from vitbench.output import print_json
from vitbench.paths import expanded, store_folder
from vitbench.progress import ConsoleProgress
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_network(parser)
    parser.add_argument("--data", required=True, metavar="DIR", help="scenes:base, COCO instances, or masks/NAME.png")
    parser.add_argument("--split", help="which split of the data (default: test, else val, else what there is)")
    parser.add_argument("--methods", metavar="M,M,...", help=f"which of {', '.join(METHODS)} (default: all)")
    parser.add_argument("--count", type=int, default=100, metavar="N", help="at most N pictures (default 100)")
    parser.add_argument("--fill", choices=["black", "mean"], default="black", help="what a blanked pixel becomes")
    parser.add_argument(
        "--no-perturbation", action="store_true", help="leave out the blanking of pixels, the slow part"
    )
    parser.add_argument("--no-randomisation", action="store_true", help="leave out the maps of shuffled weights")
    parser.add_argument("--claims", action="store_true", help="also contrast and colourfulness against map quality")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of pictures and of the controls")
    parser.add_argument("--out", metavar="FILE", type=Path, help="the table, .md or .csv; its figure beside it, .png")
    parser.add_argument("--json", action="store_true")
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measures, prints the table, and writes it where asked."""
    from vitbench.compose.faithfulness import faithfulness_sheet, measured, title_of
    from vitbench.faithfulness.claims import claims
    from vitbench.faithfulness.claims import to_dict as claims_to_dict
    from vitbench.faithfulness.pictures import open_masks
    from vitbench.faithfulness.table import method_table, to_csv, to_dict, to_markdown
    from vitbench.figures.save import sheet_bytes
    from vitbench.requests.studies import FaithfulnessRequest

    if arguments.out is not None and arguments.out.suffix not in (".md", ".csv"):
        raise UserError(f"--out {arguments.out}: write a table to a .md or a .csv file.")
    outputs = outputs_of(arguments, inputs=[arguments.network], data=[arguments.data])
    if arguments.out is not None:
        outputs.plan(arguments.out, arguments.out.with_suffix(".png"))
    address = arguments.data
    if not address.startswith("scenes:"):
        address = str(expanded(address).absolute())  # the figure may be made again from elsewhere
    given = {"split": arguments.split, "methods": arguments.methods.split(",") if arguments.methods else None}
    request = FaithfulnessRequest.read(
        {
            "network": arguments.network,
            "data": address,
            "count": arguments.count,
            "fill": arguments.fill,
            "perturb": not arguments.no_perturbation,
            "randomise": not arguments.no_randomisation,
            "seed": arguments.seed,
            **{name: value for name, value in given.items() if value is not None},
        }
    )
    progress = ConsoleProgress()
    chosen = open_chosen(arguments, progress)
    data = open_masks(arguments.data, store_folder(arguments.store), progress)
    found = measured(request, chosen.network, data, progress)
    progress.close()
    rows = method_table(found, seed=arguments.seed)
    said = claims(found, seed=arguments.seed) if arguments.claims else []
    title = title_of(chosen.network, found, data)
    document: dict[str, Any] = {
        "title": title,
        "fill": arguments.fill,
        "methods": to_dict(rows),
        "refusals": found.refusals,
        "problems": [*data.problems, *found.problems],
    }
    if arguments.claims:
        document["claims"] = claims_to_dict(said)
    if arguments.out is not None:
        text = to_csv(rows) if arguments.out.suffix == ".csv" else f"# {title}\n\n{to_markdown(rows)}"
        outputs.write(arguments.out, text)
        sheet = faithfulness_sheet(request, chosen.network, found, rows, title)
        outputs.write(arguments.out.with_suffix(".png"), sheet_bytes(sheet, ".png"))
    if arguments.json:
        print_json(document, indent=2)
    else:
        _print(document, rows, said)
    return 0


def _print(document: dict[str, Any], rows: Any, said: Any) -> None:
    from vitbench.captions.data_report import problem_lines
    from vitbench.faithfulness import claims
    from vitbench.faithfulness.table import GROUPS, legend, to_text

    print(clean(document["title"]))
    for group, sentence in GROUPS.items():
        if any(row.group == group for row in rows):
            print(f"\n{group}: {sentence}\n{to_text(rows, group)}")
    print(f"\nBlanked pixels are {document['fill']}. random and oracle are controls: numbers, and the mask itself.")
    print(legend(rows))
    for method in dict.fromkeys(claim.method for claim in said):
        print(f"\n{method}: does the map depend on how the object looks? (95% intervals)")
        print(claims.to_text(said, method))
    for method, sentence in document["refusals"].items():
        print(clean(f"{method}: {sentence}"))
    for line in problem_lines(document["problems"], ()):
        print(clean(line))
