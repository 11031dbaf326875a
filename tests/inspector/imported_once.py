"""A module that takes a while to import and leaves something behind; half of it can never be imported again."""

import sys
import time

assert not hasattr(sys, "imported_once"), "half of it is there already"
sys.imported_once = True
end = time.monotonic() + 1.0
while time.monotonic() < end:
    sum(range(1000))
WHOLE = True
