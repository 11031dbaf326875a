"""The former place of `vitbench.files.writing`."""

from vitbench.files.writing import sync_folder, write_whole

__all__ = ["sync_folder", "write_whole"]
