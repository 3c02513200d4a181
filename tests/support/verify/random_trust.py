# ruff: noqa: E501 - tables of cases
"""Random trust policies and attempts to make sessions."""

from typing import Any

from hypothesis import strategies as st

from tests.support.simulator import ACCOUNT, SESSION, Policy

ROLE = f"arn:aws:iam::{ACCOUNT}:role/session"
STRING_OPERATORS = ["StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase",
                    "StringNotEqualsIgnoreCase"]  # fmt: skip


def one_or_more(values: list[str]) -> st.SearchStrategy[Any]:
    """Draw one value, or a list."""
    return st.one_of(st.sampled_from(values), st.lists(st.sampled_from(values), min_size=1, max_size=3))


def merge(blocks: list[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Return several Condition blocks as one."""
    merged: dict[str, dict[str, Any]] = {}
    for block in blocks:
        for operator, keys in block.items():
            merged.setdefault(operator, {}).update(keys)
    return merged


TAG_VALUES = ["T1", "?*", "*/*", "", "*", "T*", "${aws:PrincipalTag/task_id}"]
TAG_KEYS = ["user_id", "task_id", "*", "task_*", "TASK_ID"]
REQUEST_TAG = st.builds(
    lambda op, suffix, key, value: {op + suffix: {key: value}},
    st.sampled_from(STRING_OPERATORS),
    st.sampled_from(["", "IfExists"]),
    st.sampled_from(["aws:RequestTag/task_id", "aws:requesttag/USER_ID", "aws:PrincipalTag/task_id"]),
    one_or_more(TAG_VALUES),
)
TAG_LIST = st.builds(
    lambda prefix, op, suffix, key, value: {f"{prefix}:{op}{suffix}": {key: value}},
    st.sampled_from(["ForAllValues", "ForAnyValue"]),
    st.sampled_from(STRING_OPERATORS),
    st.sampled_from(["", "IfExists"]),
    st.sampled_from(["aws:TagKeys", "sts:TransitiveTagKeys"]),
    one_or_more(TAG_KEYS),
)
TAG_NULL = st.builds(
    lambda key, value: {"Null": {key: value}},
    st.sampled_from(["aws:TagKeys", "sts:TransitiveTagKeys", "aws:RequestTag/task_id"]),
    st.sampled_from(["true", "false"]),
)


@st.composite
def trust_policy(draw: st.DrawFn) -> Policy:
    """Draw a trust policy: who may make sessions, with which tags."""
    principals = ["*", {"AWS": "*"}, {"AWS": ROLE}, {"AWS": SESSION}, {"AWS": ACCOUNT}, {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                  {"AWS": [ROLE, f"arn:aws:iam::{ACCOUNT}:role/other"]}, {"Service": "ecs-tasks.amazonaws.com"}]  # fmt: skip
    statements = []
    for _ in range(draw(st.integers(1, 3))):
        body: dict[str, Any] = {"Effect": draw(st.sampled_from(["Allow", "Allow", "Allow", "Deny"]))}
        body["Principal"] = draw(st.sampled_from(principals))
        body["Action"] = draw(
            st.sampled_from(["sts:AssumeRole", ["sts:AssumeRole", "sts:TagSession"], "sts:*", "sts:TagSession"])
        )
        condition = draw(st.lists(st.one_of(REQUEST_TAG, TAG_LIST, TAG_NULL), max_size=3).map(merge))
        statements.append({**body, "Condition": condition} if condition else body)
    return {"Version": "2012-10-17", "Statement": statements}


@st.composite
def mint(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Draw an attempt to make a session."""
    tags: dict[str, str] = {
        key: draw(st.sampled_from(["T1", "T2", "", "a/b"]))
        for key in sorted(draw(st.sets(st.sampled_from(["user_id", "task_id", "extra"]))))
    }
    context: dict[str, Any] = {
        "aws:PrincipalArn": ROLE,
        **{f"aws:RequestTag/{key}": value for key, value in tags.items()},
    }
    context |= {"aws:TagKeys": sorted(tags)} if tags else {}
    if tags and draw(st.sampled_from(["pass on", ""])):
        context["sts:TransitiveTagKeys"] = sorted(tags)[:1]
    if draw(st.sampled_from(["tagged", ""])):
        context["aws:PrincipalTag/task_id"] = draw(st.sampled_from(["T1", "T2"]))
    return draw(st.sampled_from(["sts:AssumeRole", "sts:TagSession"])), context
