"""The lines that docs/your-library.md shows, run as they are printed."""

import re
from typing import Any

from session_scoping.agent import TaskSession
from tests.support import ROOT

_SECTION = r"^## (?P<heading>.+)$(?P<body>(?:\n(?!## ).*)*)"


def sections() -> dict[str, str]:
    """Return heading -> the code of its section."""
    text = (ROOT / "docs" / "your-library.md").read_text("utf-8")
    found = re.finditer(_SECTION, text, re.MULTILINE)
    return {one["heading"]: "\n".join(re.findall(r"```python\n(.*?)```", one["body"], re.DOTALL)) for one in found}


def run(heading: str, session: TaskSession) -> dict[str, Any]:
    """Run the code of a section for a session; return what it named."""
    names: dict[str, Any] = {"session": session}
    exec(compile(sections()[heading], f"docs/your-library.md, {heading}", "exec"), names)
    return names
