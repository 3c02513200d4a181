"""Weakenings by hand, each variant of the reference stack, and templates of other people."""

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from session_scoping.commands.main import main
from session_scoping.verify import Status, verify
from tests.support.reference import synthesize_reference
from tests.support.verify.by_hand import CHANGES, OIDC_CHANGES
from tests.support.verify.examples import Example
from tests.support.verify.judging import first_failure
from tests.support.verify.mutations import Template, edit, without_guards
from tests.support.verify.rewritings import all_at_once

VARIANTS: dict[str, dict[str, str]] = {
    "compute": {},
    "orchestrator": {"minting": "orchestrator"},
    "credentialBroker": {"minting": "credentialBroker"},
    "webIdentity": {"minting": "webIdentity"},
    "tools": {"tools": "on"},
    "binding": {"binding": "vpc"},
    "sessionBroker": {"sessionBroker": "acme"},
    "tokenVault": {"tokenVault": "on"},
    "revocations": {"revokedBefore": "2026-06-01T00:00:00Z", "revokedTasks": "task-1"},
}
ALL = {"tools": "on", "binding": "vpc", "sessionBroker": "acme", "tokenVault": "on"} | VARIANTS["revocations"]


@cache
def variant(name: str) -> Template:
    """Synthesize one variant of the reference stack."""
    return synthesize_reference(**(ALL if name == "all" else VARIANTS[name]))


@pytest.mark.parametrize("name", [*VARIANTS, "all"])
def test_each_variant_is_proved(name: str) -> None:
    """Whatever is switched on in the reference stack, by itself or with all that goes together, it isolates."""
    report = verify(variant(name))
    assert report.proved, [result.detail for result in report.failures()]


@pytest.mark.parametrize("name", [*VARIANTS, "all"])
def test_each_variant_stays_proved_under_many_rewritings_at_once(name: str) -> None:
    """Split, renamed, reordered and respelled, whatever is switched on, it says the same."""
    report = verify(all_at_once(variant(name)).template)
    assert report.proved, [(result.rule, result.detail) for result in report.failures()]


@pytest.mark.parametrize("change", CHANGES)
def test_no_weakening_by_hand_is_proved(change: str) -> None:
    """Without guards to mask it, nothing that opens an access, or cannot be read, passes."""
    base = without_guards(variant("compute"))
    changed = edit(base, change, CHANGES[change])
    assert first_failure(Example("by hand", base), changed.template)[0] in {
        Status.VIOLATED,
        Status.UNKNOWN,
        Status.VACUOUS,
    }


@pytest.mark.parametrize("change", OIDC_CHANGES)
def test_no_claim_pinned_by_name_only_is_proved(change: str) -> None:
    """An audience or subject that is compared with anything but a literal lets other tokens in."""
    base = without_guards(variant("webIdentity"))
    changed = edit(base, change, OIDC_CHANGES[change])
    assert first_failure(Example("tokens by hand", base), changed.template)[0] in {Status.VIOLATED, Status.UNKNOWN}


def test_yaml_that_writes_the_version_as_a_date_is_proved(tmp_path: Path) -> None:
    """`Version: 2012-10-17` without quotes, as people write it, is text to CloudFormation."""
    import yaml

    text = yaml.safe_dump(copy.deepcopy(variant("compute")), sort_keys=False).replace("'2012-10-17'", "2012-10-17")
    assert "Version: 2012-10-17" in text
    (tmp_path / "t.yaml").write_text(text)
    report = verify(tmp_path / "t.yaml")
    assert report.proved, [result.detail for result in report.failures()]


def _ordinary() -> dict[str, Any]:
    """Return an app that has nothing to do with sessions: a function on a table, a queue, a site."""
    import aws_cdk as cdk
    from aws_cdk import aws_dynamodb as dynamodb
    from aws_cdk import aws_lambda as lambda_
    from aws_cdk import aws_s3 as s3
    from aws_cdk import aws_sqs as sqs

    stack = cdk.Stack(cdk.App(), "Shop")
    table = dynamodb.Table(
        stack, "Orders", partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
    )
    function = lambda_.Function(
        stack, "Handler", code=lambda_.Code.from_inline("x"), handler="index.x", runtime=lambda_.Runtime.PYTHON_3_13
    )  # fmt: skip
    table.grant_read_write_data(function)
    s3.Bucket(stack, "Site", enforce_ssl=True).grant_read(function)
    sqs.Queue(stack, "Queue", enforce_ssl=True).grant_send_messages(function)
    return dict(cdk.assertions.Template.from_stack(stack).to_json())


def test_an_ordinary_app_is_told_that_there_is_nothing_to_prove(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It exits 1, says that no role is assumed with session tags, and shows no traceback."""
    (tmp_path / "Shop.template.json").write_text(json.dumps(_ordinary()))
    assert main(["verify", str(tmp_path)]) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "session tags" in printed
    assert "Traceback" not in printed
