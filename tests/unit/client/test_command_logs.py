"""What the client's commands log goes to a file; stderr holds what the user is told and nothing else."""

import json
import subprocess
import sys
from pathlib import Path

WARNS = """
import logging
from client_sdk.commands.logs import log_to_file
from protocol.runtime.settings import Settings
log_to_file(Settings(json=True), "local")
logging.debug("a library that calls this sets up stderr, unless the root has a handler")
logging.getLogger("client_sdk.following").warning("the chain does not answer")
"""


def test_a_warning_is_in_the_file_and_not_on_the_terminal(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WARNS],
        env={"GAVEL_HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
    (line,) = (tmp_path / "client" / "local" / "logs" / "client.log").read_text().splitlines()
    assert json.loads(line)["message"] == "the chain does not answer"
