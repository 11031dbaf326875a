"""What one check finds."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Finding:
    """One line. `advice` is "" where all is fine; a `serious` one means that something will not work."""

    topic: str
    words: str
    advice: str = ""
    serious: bool = False

    @property
    def is_fine(self) -> bool:
        """Whether there is nothing to do."""
        return not self.advice

    def as_dict(self) -> dict[str, object]:
        """For JSON; `state` is `fine`, `advice` or `problem`."""
        state = "fine" if self.is_fine else "problem" if self.serious else "advice"
        return {**asdict(self), "state": state}
