"""A real inspector process that knows the requests about captions and nothing else: STORE is its argument."""

import os
import sys
from pathlib import Path

from vitbench.compose.sources import Sources
from vitbench.inspector.caption_requests import CaptionRequests
from vitbench.inspector.server import Server

if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    Server(CaptionRequests(Sources(Path(sys.argv[1]))).handlers, sys.stdin.buffer, answers).serve()
