"""How to bring a figure home: over SSH, the line to copy."""

import getpass
import os
import shlex
from pathlib import Path


def scp_line(path: Path) -> str | None:
    """A ready `scp` line for a file of this machine, if the person has come by SSH; None otherwise.

    The address is the one that the connection came in on; the file's name is quoted for the shells of both sides.
    """
    connection = os.environ.get("SSH_CONNECTION", "").split()
    if len(connection) != 4:
        return None
    _, _, address, port = connection
    host = f"[{address}]" if ":" in address else address
    ask = f"-P {port} " if port != "22" else ""
    return f"scp {ask}{shlex.quote(f'{getpass.getuser()}@{host}:{shlex.quote(str(path.absolute()))}')} ."
