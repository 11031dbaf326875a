"""Section 5 in sentences: how it was made."""

from collections.abc import Iterator

from vitbench.progress import duration, moment
from vitbench.report.document import Block, Code, Paragraph, Section
from vitbench.report.facts import MadeFacts
from vitbench.report.wording import listed, number


def say_made(facts: MadeFacts) -> Section:
    """The whole section."""
    blocks: list[Block] = [Paragraph(" ".join(_machine(facts)))] if facts.starts or facts.seconds else []
    if facts.packages:
        named = [f"{name} {version}" for name, version in facts.packages.items()]
        blocks.append(Paragraph(f"It was trained with {listed(named)}."))
    blocks += facts.missing
    if facts.commands:
        blocks += [Paragraph("To make it again:"), Code("\n".join(facts.commands), "sh")]
    return Section("How it was made", tuple(blocks))


def _machine(facts: MadeFacts) -> Iterator[str]:
    if facts.starts:
        first = facts.starts[0]
        yield (
            f"Run {facts.run_id} began on {moment(float(first.get('time') or 0))} on the machine"
            f" {first.get('host', '?')}, with {first.get('device', 'no device noted')}, {first.get('cores', '?')} cores"
            f" and Python {first.get('python', '?')}."
        )
        if commit := str(first.get("git_commit") or ""):
            changed = ", with changes that were not committed" if commit.endswith("+") else ""
            yield f"It was started in a folder of the git commit {commit.rstrip('+')[:12]}{changed}."
        if len(facts.starts) > 1:
            hosts = sorted({str(start.get("host", "?")) for start in facts.starts})
            yield f"It was started {len(facts.starts)} times, on {', '.join(hosts)}."
    if facts.seconds is not None:
        several = " Pauses are counted in." if len(facts.starts) > 1 else ""
        yield f"From its start to its end it took {duration(facts.seconds)}.{several}"
    if facts.energy is not None:
        yield (
            f"Its GPUs took {number(facts.energy, 1)} Wh in the {duration(facts.gpu_seconds)} in which NVML told their"
            " power; the rest of the machine is not counted."
        )
