"""Section 4 in sentences: the picture behind each word, by what kind of word it is."""

from collections.abc import Iterator

from vitbench.report.document import Block, Listing, Paragraph, Section, TableBlock
from vitbench.report.facts import CaptionFacts, RoleFacts
from vitbench.report.wording import interval, listed, number
from vitbench.statistics import Estimate

ROLES = {
    "NOUN": "objects",
    "COLOUR": "colours",
    "SIZE": "sizes",
    "NUMBER": "quantities",
    "RELATION": "relations",
    "BACKGROUND": "words of the background",
    "DETERMINER": "determiners",
    "PREPOSITION": "prepositions",
    "CONJUNCTION": "conjunctions",
}
_CONTENT = ("NOUN", "COLOUR", "NUMBER")
_CONTRASTED = ("CONJUNCTION", "BACKGROUND")


def say_captions(facts: CaptionFacts) -> Section:
    """The whole section."""
    blocks: list[Block] = []
    if facts.captions:
        said = tuple(f"{picture}: “{text}”" for picture, text in facts.captions)
        blocks += [Paragraph(f"The captioner {facts.captioner} says of the pictures below:"), Listing(said)]
    blocks += [figure for figure in facts.figures if figure.name != "grounding"]
    if facts.roles:
        blocks.append(
            Paragraph(
                f"How well the map of a word finds what the word means was measured on {facts.pictures:,} pictures"
                f" ({facts.how}). AUC is the chance that a patch of the word's object scores above another patch:"
                " 0.5 is no better than guessing." + _which_heads(facts.heads_said)
            )
        )
        blocks.append(_table(facts.roles))
        found = [sentence for role in facts.roles if role.auc is not None for sentence in [role_sentence(role)]]
        contrasts = list(_contrasts(facts))
        if found or contrasts:
            blocks.append(Listing((*found, *contrasts)))
    blocks += [figure for figure in facts.figures if figure.name == "grounding"]
    blocks += facts.missing
    return Section("Captions", tuple(blocks))


def _which_heads(said: str) -> str:
    return f" What shows them: {said}." if said else ""


def role_sentence(role: RoleFacts) -> str:
    """Whether the maps of a role find what its words mean, by its AUC."""
    assert role.auc is not None
    who, value = ROLES.get(role.role, role.role.lower()), interval(role.auc)
    if role.auc.low > 0.5:
        return f"The maps of {who} find what they mean: AUC {value}, {role.words:,} words."
    if role.auc.high < 0.5:
        return f"The maps of {who} point away from what they mean: AUC {value}, {role.words:,} words."
    return f"The maps of {who} find what they mean no better than guessing: AUC {value}, {role.words:,} words."


def _contrasts(facts: CaptionFacts) -> Iterator[str]:
    """Conjunctions and words of the background against objects, colours and quantities."""
    known = {role.role: role for role in facts.contrasted or facts.roles}
    how = "by the mean over layers and heads for all, " * bool(facts.contrasted)
    for name in _CONTRASTED:
        if name not in known:
            continue
        for measure, words in (
            ("entropy", ("spread wider over the picture than", "more concentrated than", "as wide as")),
            (
                "drop",
                (
                    "depend more on the patches where they look than",
                    "depend less on the patches where they look than",
                    "depend as much on the patches where they look as",
                ),
            ),
        ):
            if said := _compared(known, name, measure, words, how):
                yield said


def _compared(known: dict[str, RoleFacts], name: str, measure: str, words: tuple[str, str, str], how: str) -> str:
    own: Estimate | None = getattr(known[name], measure)
    others = {other: e for other in _CONTENT if other in known and (e := getattr(known[other], measure)) is not None}
    if own is None or not others:
        return ""
    more = [other for other, e in others.items() if own.low > e.high]
    less = [other for other, e in others.items() if own.high < e.low]
    same = [other for other in others if other not in more and other not in less]
    subject = ROLES[name] if measure == "drop" else f"maps of {ROLES[name]}"
    whose = "" if measure == "drop" else "those of "
    clauses = [
        f"{phrase} {whose}{listed([ROLES[other] for other in found])}"
        for phrase, found in zip(words, (more, less, same), strict=True)
        if found
    ]
    verb = "" if measure == "drop" else "are "
    parts = "; they ".join(f"{verb}{clause}" for clause in clauses)
    unit = "fall of the word's log-probability in nats when the top tenth of its map is blanked" * (measure == "drop")
    unit = unit or "entropy, 1 is everywhere"
    numbers = ", ".join(f"{ROLES[other]} {_short(e)}" for other, e in others.items())
    said = f"{subject} {parts} ({how}{unit}: {ROLES[name]} {_short(own)}, {numbers})."
    if same:
        said += " Overlapping intervals count as equal."
    return said[:1].upper() + said[1:]


def _short(estimate: Estimate) -> str:
    return f"{number(estimate.value)} [{number(estimate.low)}, {number(estimate.high)}]"


def _table(roles: tuple[RoleFacts, ...]) -> TableBlock:
    head = ("words for", "words", "AUC", "pointing", "chance", "entropy", "deletion drop")
    rows = tuple(
        (
            ROLES.get(role.role, role.role.lower()),
            f"{role.words:,}",
            *(
                "–" if e is None else _short(e).replace(" [", "\n[")
                for e in (role.auc, role.pointing, role.chance, role.entropy, role.drop)
            ),
        )
        for role in roles
    )
    return TableBlock(
        head, rows, "Means over words with 95% bootstrap intervals over pictures; – where there is no mask."
    )
