"""What `make docs` changes of a page: a link to a file of the repository outside docs/ becomes its path."""

import re

_OUTSIDE = re.compile(r"(?<!!)\[([^\]]*)\]\(\.\./([^)\s]+)\)")


def on_page_markdown(markdown: str, **_: object) -> str:
    """The page as the site has it; in the repository the link leads to the file itself."""
    return _OUTSIDE.sub(lambda found: f"{found[1]} (`{found[2]}` in the repository)", markdown)
