"""What `make docs` changes of a page: links to files outside docs/ become their paths, and fences lose `needs=...`."""

import re

_OUTSIDE = re.compile(r"(?<!!)\[([^\]]*)\]\(\.\./([^)\s]+)\)")
_NEEDS = re.compile(r"^(```\w+) needs=[\w,]+$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: object) -> str:
    """The page as the site has it; in the repository a link leads to the file, and `needs` tells tests what to run."""
    linked = _OUTSIDE.sub(lambda found: f"{found[1]} (`{found[2]}` in the repository)", markdown)
    return _NEEDS.sub(r"\1", linked)
