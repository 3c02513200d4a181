"""docs/tutorial.md as somebody follows it, in an empty directory: its files, its commands and what they print."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

BLOCK = re.compile(r"(?P<before>[^\n]*\n[^\n]*)\n```(?P<kind>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.exhaustive
@pytest.mark.long
def test_each_step_of_the_tutorial_does_what_the_page_says(tmp_path: Path) -> None:
    """Every file is written as printed, every command is run in order, and what the page shows of it is printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTEST_"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]])
    environment = {**kept, "PATH": path, "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20"}
    printed, codes, shown = "", [], 0
    for block in BLOCK.finditer((ROOT / "docs" / "tutorial.md").read_text("utf-8")):
        if "<!-- not run:" in block["before"]:
            continue
        if block["kind"] == "python":
            (name,) = re.findall(r"[Ww]rite `(\w+\.py)`", block["before"])
            (tmp_path / name).write_text(block["code"])
        elif block["kind"] == "sh":
            run = subprocess.run(
                ["bash", "-c", block["code"]],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            printed = " ".join((run.stdout + run.stderr).split())
            codes.append(run.returncode)
        else:
            shown += 1
            assert [line for line in block["code"].splitlines() if line not in printed] == [], printed
    assert codes == [0, 0, 1, 0, 0], printed
    assert shown == 3
