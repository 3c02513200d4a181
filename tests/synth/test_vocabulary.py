"""The words adopters choose from, each with exactly its actions, models and keys."""

from fnmatch import fnmatchcase

import pytest
from aws_cdk import aws_kms as kms

from session_scoping import InvalidInputError, Models, TenantObjects, TenantTable
from session_scoping.aws.actions import actions_of, patterns_of
from session_scoping.constructs.cdk.stack_context import StackContext
from session_scoping.constructs.session.guards import CHAINING_ACTIONS
from tests.support import stacks
from tests.synth.test_token_minting import broker, signing_key

SONNET = "anthropic.claude-sonnet-4-6"

# Source: service authorization reference, list_amazondynamodb and list_amazons3.
ROWS = {
    "get": ["GetItem"],
    "batch-get": ["BatchGetItem"],
    "query": ["Query"],
    "put": ["PutItem"],
    "update": ["UpdateItem"],
    "condition-check": ["ConditionCheckItem"],
    "delete": ["DeleteItem"],
    "batch-write": ["BatchWriteItem"],
    "read-only": ["GetItem", "BatchGetItem", "Query"],
    "append-only": ["PutItem"],
}
OBJECTS = {
    "get": ["GetObject"],
    "get-version": ["GetObjectVersion"],
    "put": ["PutObject"],
    "multipart": ["AbortMultipartUpload", "ListMultipartUploadParts"],
    "list": ["ListBucket"],
}


@pytest.mark.parametrize("word", ROWS)
def test_a_word_for_rows_is_these_actions(word: str) -> None:
    """No word opens a scan, an index or PartiQL."""
    stack = stacks.stack()
    bound = TenantTable(stacks.table(stack), access=word).bind(StackContext.of(stack), ["task_id"])
    assert list(bound.actions) == [f"dynamodb:{action}" for action in ROWS[word]]


@pytest.mark.parametrize("word", OBJECTS)
def test_a_word_for_objects_is_these_actions(word: str) -> None:
    """No word lists a whole bucket, deletes an object or changes who may read it."""
    stack = stacks.stack()
    stacks.session_role(stack, objects=[TenantObjects(stacks.bucket(stack), ["a/{task_id}/"], word)])
    (statement,) = (
        one for one in stacks.policy(stacks.template(stack), "SessionPermissions") if "s3:" in str(one["Action"])
    )
    actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    assert sorted(actions) == [f"s3:{action}" for action in OBJECTS[word]]


def test_there_are_no_other_words() -> None:
    """An error names them all, in the order of the table."""
    stack = stacks.stack()
    with pytest.raises(InvalidInputError, match=f"one or more of {', '.join(ROWS)};"):
        stacks.session_role(stack, tables=[TenantTable(stacks.table(stack), access="scan")])
    stack = stacks.stack()
    with pytest.raises(InvalidInputError, match=f"one or more of {', '.join(OBJECTS)};"):
        stacks.session_role(stack, tables=[], objects=[TenantObjects(stacks.bucket(stack), ["a/{task_id}/"], "delete")])


# Source: Bedrock guide, inference-profiles-support.
@pytest.mark.parametrize("geography", ["us", "eu", "apac", "ca", "jp", "au", "us-gov", "global"])
def test_a_geography_is_the_head_of_its_profiles(geography: str) -> None:
    """A profile is allowed by its name, and a model id that carries the geography is refused."""
    stack = stacks.stack()
    stacks.session_role(stack, models=Models.profile(geography, [SONNET]))
    text = str(stacks.template(stack))
    assert f":inference-profile/{geography}.{SONNET}'" in text
    with pytest.raises(InvalidInputError, match=f'fix: use Models.profile\\("{geography}", \\["{SONNET}"\\]\\)'):
        Models.in_region([f"{geography}.{SONNET}"])


def test_a_geography_that_is_new_to_us_must_be_said_to_be_so() -> None:
    """AWS adds geographies: one that is not listed is refused by default, and one that is no geography always."""
    with pytest.raises(InvalidInputError, match="unlisted=True"):
        Models.profile("mx", [SONNET])
    stack = stacks.stack()
    stacks.session_role(stack, models=Models.profile("mx", [SONNET], unlisted=True))
    assert f":inference-profile/mx.{SONNET}'" in str(stacks.template(stack))
    for bad in ("*", "m*", "", "m", "mx.", "MX", "mx/x"):
        with pytest.raises(InvalidInputError, match="unknown geography"):
            Models.profile(bad, [SONNET], unlisted=True)


# Source: KMS API_Sign: RSASSA_PKCS1_V1_5_SHA_256 is for RSA keys of any size.
@pytest.mark.parametrize("spec", ["RSA_2048", "RSA_3072", "RSA_4096"])
def test_a_signing_key_is_rsa_of_any_size(spec: str) -> None:
    """Tokens are RS256."""
    stack = stacks.stack()
    key = signing_key(stack, key_spec=kms.KeySpec[spec])
    assert broker(stack, signing_key=key).signing_key is key


def test_what_a_session_is_denied_of_sts_is_all_but_what_is_harmless() -> None:
    """Whatever AWS adds to the table that gives credentials or says who somebody is joins the Deny."""
    every = {item.name for item in actions_of("sts")}
    patterns = patterns_of(CHAINING_ACTIONS)
    assert {name for name in every if not any(fnmatchcase(name, pattern) for pattern in patterns)} == {
        "sts:DecodeAuthorizationMessage",
        "sts:GetAccessKeyInfo",
        "sts:GetCallerIdentity",
    }
