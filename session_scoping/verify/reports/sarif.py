"""A report as SARIF."""

import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from session_scoping.verify.reports.report import Labels, Report, Result, Status, labels_of
from session_scoping.verify.reports.rules import DOCUMENTATION, RULES

_LEVEL = {Status.VIOLATED: "error", Status.UNKNOWN: "error", Status.VACUOUS: "error", Status.PROVED: "none"}


def as_sarif(report: Report) -> dict[str, Any]:
    """
    Return a report in SARIF 2.1.0, one result per property that is not PROVED.

    Args:
        report: What was found in at least one file. What belongs to no stack is shown in the first.
    """
    rules = [
        {
            "id": rule.id,
            "shortDescription": {"text": rule.title},
            "fullDescription": {"text": rule.description},
            "helpUri": f"{DOCUMENTATION}#{rule.id}",
        }
        for rule in RULES
    ]
    driver = {
        "name": "session-scoping",
        "version": version("session-scoping"),
        "informationUri": DOCUMENTATION,
        "rules": rules,
    }
    labels = labels_of(report)
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "results": [_sarif_result(result, labels, report.files) for result in report.failures()],
            }
        ],
    }


def _sarif_result(result: Result, labels: Labels, files: Mapping[str, Path]) -> dict[str, Any]:
    file = files.get(result.location.partition(".")[0]) or next(iter(files.values()))
    return {
        "ruleId": result.rule,
        "level": _LEVEL[result.status],
        "message": {"text": "\n".join([f"{result.status.value}: {labels.short(result.subject)}", *result.lines()])},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": _uri(file)}, "region": {"startLine": 1}},
                "logicalLocations": [{"fullyQualifiedName": result.location or result.subject}],
            }
        ],
    }


def _uri(file: Path) -> str:
    """Return where a template is as seen from here, which in CI is the repository; elsewhere its whole address."""
    place = Path(os.path.abspath(file))  # noqa: PTH100 - resolve() would follow links out of the repository
    return quote(place.relative_to(Path.cwd()).as_posix()) if place.is_relative_to(Path.cwd()) else place.as_uri()
