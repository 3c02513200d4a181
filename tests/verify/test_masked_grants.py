"""`no-masked-grants`: a grant that reaches too far fails, even while a Deny stops it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from session_scoping.commands.main import main
from session_scoping.testing import assert_sessions_isolated
from session_scoping.verify import Result, Status, verify
from tests.support.verify.corpus import results_of
from tests.support.verify.examples import example
from tests.support.verify.mutations import Template, compute_roles, edit, grant, session_role, suffixed
from tests.support.verify.weaken_additions import _bucket_policy, bucket_arn, table_arn

Change = Callable[[Template], object]


def changed(change: Change) -> Template:
    """Return the small example, guards in place, with a change."""
    return edit(example("small").template, "change", change).template


def to_session(**body: Any) -> Change:
    """Return a change that grants the session role something, as a colleague would."""
    return lambda t: grant(t, session_role(t), "Extra", **body)


def to_compute(**body: Any) -> Change:
    """Return a change that grants the compute role something."""
    return lambda t: grant(t, compute_roles(t)[0], "Extra", **body)


def for_session_in_bucket_policy(template: Template) -> None:
    """Let the bucket's own policy read every object to the session role."""
    principal = {"AWS": {"Fn::GetAtt": [session_role(template), "Arn"]}}
    objects = suffixed(bucket_arn(template), "/*")
    _bucket_policy(
        template, {"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": objects}
    )  # fmt: skip


MASKED: dict[str, Change] = {
    "all of a table": lambda t: to_session(Action="dynamodb:GetItem", Resource=table_arn(t))(t),
    "a table by the beginning of its name": lambda t: to_session(
        Action="dynamodb:GetItem", Resource=suffixed(table_arn(t), "*")
    )(t),
    "all objects of a bucket": lambda t: to_session(
        Action="s3:GetObject", Resource=suffixed(bucket_arn(t), "/*")
    )(t),
    "any role": to_session(Action="sts:AssumeRole", Resource="*"),
    "all objects, by the bucket's policy": for_session_in_bucket_policy,
    "every table, to the compute role": to_compute(Action="dynamodb:*", Resource="*"),
    "every object, to the compute role": to_compute(Action="s3:Get*", Resource="arn:aws:s3:::*"),
}  # fmt: skip


@pytest.mark.parametrize("case", MASKED)
def test_a_grant_that_only_a_guard_stops_is_found(case: str) -> None:
    """Isolation still holds, and says so; what the grant would open without its guard is shown beside it."""
    failures = verify(changed(MASKED[case])).failures()
    assert [(result.rule, result.status) for result in failures] == [("no-masked-grants", Status.VIOLATED)]
    (failure,) = failures
    assert failure.detail.startswith("only a Deny stops it: ")
    assert failure.counterexample is not None
    assert "Extra" in failure.counterexample.decided_by  # what each change calls the statement it adds


def test_masked_grants_pass_when_somebody_says_so(tmp_path: Any) -> None:
    """An adopter whose design is a broad Allow under a Deny says it with `--masked-grants`."""
    template = changed(MASKED["all of a table"])
    assert verify(template, masked_grants=True).proved
    path = tmp_path / "t.template.json"
    path.write_text(json.dumps(template))
    assert [main(["verify", str(path)]), main(["verify", str(path), "--masked-grants"])] == [1, 0]


def test_what_no_deny_stops_is_reported_under_its_own_rule_only() -> None:
    """An open crossing is not said twice."""
    bare = changed(lambda t: to_session(Action="sqs:SendMessage", Resource="*")(t))
    assert [result.rule for result in verify(bare).failures()] == ["allowed-actions"]


def masked(template: Template) -> list[Result]:
    """Return what is said of masked grants alone."""
    return results_of(template, "no-masked-grants")


def test_a_boundary_is_a_limit_and_not_a_mask() -> None:
    """A permissions boundary limits every later grant as well, its Denies included."""
    unkeyed = {"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*"}
    keyed_only = {"Null": {"dynamodb:LeadingKeys": "true"}}

    def bounded(template: Template) -> None:
        statements = [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {**unkeyed, "Condition": keyed_only},
            {"Effect": "Deny", "NotAction": ["dynamodb:GetItem", "s3:*"], "Resource": "*"},
            {**unkeyed, "Resource": suffixed(table_arn(template), "/*")},
            {
                **unkeyed, "Resource": "*",
                "Condition": {
                    "ForAnyValue:StringNotEquals": {"dynamodb:LeadingKeys": "${aws:PrincipalTag/task_id}"},
                    "Null": {"aws:PrincipalTag/task_id": "false"},
                },
            },
        ]  # fmt: skip
        template["Resources"]["Boundary"] = {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {"PolicyDocument": {"Version": "2012-10-17", "Statement": statements}},
        }
        template["Resources"][session_role(template)]["Properties"]["PermissionsBoundary"] = {"Ref": "Boundary"}
        to_session(Action="dynamodb:GetItem", Resource=table_arn(template))(template)

    assert {result.status for result in masked(changed(bounded))} == {Status.PROVED}


def test_a_grant_that_nothing_masks_is_none() -> None:
    """As synthesized, the Allows alone isolate."""
    results = masked(example("small").template)
    assert [result.status for result in results] == [Status.PROVED, Status.PROVED]


def test_a_masked_counterexample_says_that_a_deny_stops_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Terminal, JSON, SARIF and the assertion's message say it where they show the request, which is denied today."""
    template = changed(MASKED["all of a table"])
    file, sarif = tmp_path / "t.template.json", tmp_path / "t.sarif"
    file.write_text(json.dumps(template))
    begins = "only a Deny stops it: a session reaches"
    assert main(["verify", str(file), "--sarif", str(sarif)]) == 1
    assert f"\n{begins}" in capsys.readouterr().out
    assert main(["verify", str(file), "--json"]) == 1
    results = json.loads(capsys.readouterr().out)["results"]
    (masked,) = (found for found in results if found["status"] == "VIOLATED")
    assert masked["counterexample"]["summary"].startswith(begins)
    (finding,) = json.loads(sarif.read_text())["runs"][0]["results"]
    assert f"\n{begins}" in finding["message"]["text"]
    with pytest.raises(AssertionError, match=begins):
        assert_sessions_isolated(template)
