"""What lies in or below a directory of templates and is not read: said in the report, never silent."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from session_scoping.verify.files.assembly import SUFFIXES
from session_scoping.verify.files.reading import looks_like_template

# CloudFormation takes templates of 1 MB.
_LOOKED_AT_MAX, _BYTES_MAX, _SHOWN_MAX = 500, 1_000_000, 3
# Programs and prose that speak of templates; nobody deploys them as one.
_PROSE = (".md", ".rst", ".py", ".js", ".ts", ".sh")


def left_unread(path: Path, read: set[Path]) -> Iterator[str]:
    """
    Yield notes on what looks like a template in a directory and is not read; none where a manifest lists what counts.

    Args:
        path: What the user gave.
        read: The files that were read.
    """
    if not path.is_dir() or (path / "manifest.json").exists():
        return
    candidates = list(islice(_candidates(path), _LOOKED_AT_MAX + 1))
    found: dict[str, list[str]] = {}
    for file in candidates[:_LOOKED_AT_MAX]:
        if file.resolve() not in read and _looks_like_one(file):
            name = file.relative_to(path)
            found.setdefault(f"{name.parts[0]}/" if len(name.parts) > 1 else str(name), []).append(name.name)
    for place, names in found.items():
        inside = ", ".join(names[:_SHOWN_MAX]) + (", …" if len(names) > _SHOWN_MAX else "")
        yield f"not read: {place} ({inside})" if place.endswith("/") else f"not read: {place}"
    if len(candidates) > _LOOKED_AT_MAX:
        yield f"not read, and not looked through: all beyond {_LOOKED_AT_MAX} files and directories"


def _candidates(path: Path) -> Iterator[Path]:
    """Yield files that may be templates, of every suffix in the directory itself, of a template's below it; folders."""
    for folder, folders, files in os.walk(path):
        # Counted like a file: a big tree without templates must end as well.
        yield Path(folder)
        folders[:] = sorted(name for name in folders if not _is_aside(name))
        for name in sorted(files):
            suffix = Path(name).suffix.lower()
            wanted = suffix not in _PROSE if Path(folder) == path else suffix in SUFFIXES
            if wanted and not _is_aside(name):
                yield Path(folder, name)


def _is_aside(name: str) -> bool:
    """Whether a name is one of hidden files, packages, or assets, which hold other people's templates if any."""
    return name.startswith((".", "asset.")) or name == "node_modules"


def _looks_like_one(file: Path) -> bool:
    try:
        if not file.is_file() or file.stat().st_size > _BYTES_MAX:
            return False
        text = file.read_bytes().replace(b"\0", b"").decode("utf-8", errors="replace")
    except OSError:
        return False
    return looks_like_template(text)
