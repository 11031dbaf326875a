"""Values as TOML for a person to read: on one line each, a key with what it means beside it."""

import tomli_w


def toml_line(key: str, value: object, comment: str | None) -> str:
    """`key = value  # comment`; a key that is not set is written as a comment, so that a person sees it exists."""
    line = f"# {key} =" if value is None else f"{key} = {toml_value(value)}"
    return f"{line:<36}  # {comment}" if comment else line


def toml_value(value: object) -> str:
    """A value as TOML on one line; a table as an inline table."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml_key(key)} = {toml_value(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return tomli_w.dumps({"value": value}).removeprefix("value = ").rstrip("\n")


def toml_key(key: str) -> str:
    """A key as TOML, in quotes where it needs them."""
    return tomli_w.dumps({key: 0}).removesuffix(" = 0\n")
