"""The contract both halves share: tags, key formats, environment names, and the narrow door."""

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

import session_scoping
from session_scoping import InvalidInputError, SessionTags, agent
from session_scoping.aws import token_vault
from session_scoping.aws.bedrock import INVOKE_ACTIONS
from session_scoping.contract import environment, metadata
from session_scoping.contract.key_formats import KeyFormat
from session_scoping.contract.tags import TAG_VALUE_MAX, is_tag_character, parse_tag_keys

KEYS = ("a", "b", "task_id", "user_id")


@pytest.mark.parametrize(
    ("tags", "complaint"),
    [
        ({}, "the number of tag keys"),
        ({"task_id": ""}, "length"),
        ({"task_id": "x" * 257}, "length"),
        ({"task_id": 7}, "length"),
        ({"task_id": "a*"}, "character STS refuses"),
        ({"task_id": "a\n"}, "character STS refuses"),
        ({"task_id": "a\x00"}, "character STS refuses"),
        ({"task_id": "$a"}, "character STS refuses"),
        ({"task_id": "a/b"}, "step out of its object prefix"),
        ({"user_id": ".."}, "step out of its object prefix"),
        ({"user_id": "."}, "step out of its object prefix"),
        ({"aws:x": "1"}, "reserved"),
        ({"a#": "1"}, "character STS refuses"),
        ({"k" * 129: "1"}, "length"),
        ({"task": "1", "TASK": "2"}, "collides"),
    ],
)
def test_bad_session_tags_are_refused(tags: dict[str, str], complaint: str) -> None:
    """What STS would refuse, or what could name another tenant, never becomes SessionTags."""
    with pytest.raises(InvalidInputError, match=complaint):
        SessionTags(**tags)


def test_longest_value_and_slashes_in_a_repository_are_accepted() -> None:
    """256 characters are legal, and a repository name may hold a slash."""
    tags = SessionTags(repo="org/name", task_id="x" * TAG_VALUE_MAX)
    assert tags.for_sts() == [{"Key": "repo", "Value": "org/name"}, {"Key": "task_id", "Value": "x" * 256}]


def test_session_tags_never_show_their_values() -> None:
    """Neither the repr nor an error holds a tenant's id."""
    assert "secret" not in repr(SessionTags(user_id="secret-user", task_id="secret-task"))
    with pytest.raises(InvalidInputError) as caught:
        SessionTags(user_id="secret*user")
    assert "secret" not in str(caught.value)


def test_tags_that_were_refused_have_a_repr() -> None:
    """A debugger that shows the half-made object in a traceback shows no keys, and no second error."""
    assert repr(SessionTags.__new__(SessionTags)) == "SessionTags()"


def test_session_tags_are_immutable_and_hashable() -> None:
    """Tags are parsed once and stay what they were."""
    tags = SessionTags(task_id="T1")
    with pytest.raises(AttributeError, match="immutable"):
        tags.task_id = "T2"
    assert {tags: 1}[SessionTags(task_id="T1")] == 1


def test_session_tags_travel() -> None:
    """Tags are what a process sends to another one: they survive pickle and copy."""
    tags = SessionTags(**{"self": "x", "task_id": "T1", "team:name": "a/b"})
    for made in (pickle.loads(pickle.dumps(tags)), copy.copy(tags), copy.deepcopy(tags)):
        assert made == tags
        assert hash(made) == hash(tags)
        assert list(made) == list(tags)


def test_session_tags_that_arrive_are_checked_again() -> None:
    """A pickle with a value that names another tenant is refused, as the value itself would be."""
    with pytest.raises(InvalidInputError, match="step out"):
        pickle.loads(pickle.dumps(SessionTags(task_id="T1")).replace(b"T1", b"//"))


def test_errors_travel() -> None:
    """A process pool hands an error on as a pickle: what it says, and what it carries, arrive."""
    error = InvalidInputError("a fault", got="one", expected="another", why="a reason", fix="mend it")
    made = pickle.loads(pickle.dumps(error))
    assert (type(made), str(made), vars(made)) == (InvalidInputError, str(error), vars(error))


@pytest.mark.parametrize("keys", ["task_id", [], ["a", "A"], ["a"] * 2, [f"k{n}" for n in range(51)], [""]])
def test_bad_tag_keys_are_refused(keys: list[str]) -> None:
    """One string, none, too many, empty or colliding keys are errors."""
    with pytest.raises(InvalidInputError):
        parse_tag_keys(keys)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("static", "names no session tag"),
        ("{nobody}", "unknown tag"),
        ("{a}{b}", "an ambiguous boundary"),
        ("{a}-{b}", "an ambiguous boundary"),
        ("{a}/{b}", "an ambiguous boundary"),
        ("{a}: {b}", "an ambiguous boundary"),
        ("{a}*", "leaves open where its last tag ends"),
        ("{a}-*", "leaves open where its last tag ends"),
        ("{a}: *", "leaves open where its last tag ends"),
        ("{a}{b}#*", "an ambiguous boundary"),
        ("#*", "names no session tag"),
        ("{a}#**", "wildcard"),
        ("{a}#*#", "wildcard"),
        ("*#{a}", "wildcard"),
        ("{a}?", "wildcard"),
        ("${a}", "wildcard"),
        ("{a}}", "wildcard"),
        ("{}", "unknown tag"),
    ],
)
def test_bad_leading_keys_are_refused(text: str, complaint: str) -> None:
    """A format that every session shares, or in which two sessions can meet, is an error."""
    with pytest.raises(InvalidInputError, match=complaint):
        KeyFormat.leading_key(text, KEYS)


@pytest.mark.parametrize(
    "text", ["/{a}/", "{a}//x", "x/../{a}/", "./{a}/", "{a}/..", "{a}/*", "{a}?", "x/$HOME/{a}/", "{a}-{b}/", "x/"]
)
def test_bad_object_keys_are_refused(text: str) -> None:
    """A wildcard, a variable, a leading slash or a path step in an object key is an error."""
    with pytest.raises(InvalidInputError):
        KeyFormat.object_key(text, KEYS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{task_id}", "${aws:PrincipalTag/task_id}"),
        ("TENANT#{a}", "TENANT#${aws:PrincipalTag/a}"),
        ("{a}#{b}", "${aws:PrincipalTag/a}#${aws:PrincipalTag/b}"),
        ("{a}-#-{b}", "${aws:PrincipalTag/a}-#-${aws:PrincipalTag/b}"),
        ("{a}#*", "${aws:PrincipalTag/a}#*"),
        ("CHECKPOINT_{a}-|{b}x#*", "CHECKPOINT_${aws:PrincipalTag/a}-|${aws:PrincipalTag/b}x#*"),
    ],
)
def test_good_leading_keys_become_policy_variables(text: str, expected: str) -> None:
    """Literal text stays and each tag becomes its principal tag."""
    assert KeyFormat.leading_key(text, KEYS).policy_variables() == expected


tag_value = st.text(
    st.characters(codec="utf-8").filter(is_tag_character).filter(lambda c: c not in "/."), min_size=1, max_size=8
)


@given(tag_value, tag_value, tag_value, tag_value, st.sampled_from(["{a}#{b}", "x-{a}|{b}-", "{a},{b}"]))
def test_accepted_formats_never_give_two_sessions_one_key(a: str, b: str, c: str, d: str, text: str) -> None:
    """Two sessions fill a format alike only if their tags are alike."""
    key_format = KeyFormat.leading_key(text, KEYS)
    same_key = key_format.fill(SessionTags(a=a, b=b)) == key_format.fill(SessionTags(a=c, b=d))
    assert same_key == ((a, b) == (c, d))


@given(tag_value, tag_value, st.sampled_from(["{a}#*", "x_{a}-#*", "{a}.|more*"]))
def test_no_two_sessions_have_keys_that_begin_alike(a: str, b: str, text: str) -> None:
    """What all keys of a session begin with is the beginning of no other session's."""
    key_format = KeyFormat.leading_key(text, KEYS)
    one, two = key_format.fill(SessionTags(a=a)), key_format.fill(SessionTags(a=b))
    assert one.startswith(two) == (a == b)


@pytest.mark.parametrize("value", ["planted/b", "/planted", "planted/", "..planted", "planted..", ".", ".."])
def test_no_tag_steps_out_of_an_object_prefix(value: str) -> None:
    """A path in a tag of the adopter's own is refused when it would become an object key, and is not shown."""
    prefix = KeyFormat.object_key("up/{tenant_id}/", ["tenant_id"])
    with pytest.raises(InvalidInputError, match="`tenant_id` would step out") as caught:
        prefix.fill(SessionTags(tenant_id=value))
    assert "planted" not in str(caught.value)
    assert KeyFormat.leading_key("T#{tenant_id}", ["tenant_id"]).fill(SessionTags(tenant_id=value)) == f"T#{value}"


def test_plain_values_fill_an_object_key() -> None:
    """Dots and dashes within an id are no path."""
    filled = KeyFormat.object_key("up/{tenant_id}.gz", ["tenant_id"]).fill(SessionTags(tenant_id="a.b-c", repo="o/r"))
    assert filled == "up/a.b-c.gz"


@pytest.mark.parametrize("parse", [KeyFormat.object_key, KeyFormat.leading_key])
def test_a_session_without_the_tag_fills_nothing(parse: Callable[[str, list[str]], KeyFormat]) -> None:
    """A missing tag is an error of ours, not half a key."""
    with pytest.raises(InvalidInputError, match="without the tag `b`"):
        parse("{a}#{b}", ["a", "b"]).fill(SessionTags(a="1"))


def test_environment_names_are_the_public_contract() -> None:
    """Containers in the field read these names, so they never change."""
    agents = "SESSION_ROLE_ARN SESSION_TAG_KEYS SESSION_TRANSITIVE_TAG_KEYS CREDENTIAL_BROKER TASK_TOKEN_FILE"
    agents += " WORKLOAD_IDENTITY SESSION_BROKER_ROLE_ARN"
    broker = "SIGNING_KEY_ARN ISSUER AUDIENCE SUBJECT SESSION_ROLE_ARN TAG_KEYS TRANSITIVE_TAG_KEYS REVOCATION_TABLE"
    expected = {name: f"AGENT_{name}" for name in agents.split()}
    expected |= {f"BROKER_{name}": f"BROKER_{name}" for name in broker.split()}
    expected |= {name: name for name in ("KEY_SET_ISSUER", "KEY_SET_BUCKET", "KEY_SET_KEYS")}
    assert {name: value for name, value in vars(environment).items() if name.isupper()} == expected


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_metadata_keys_are_the_public_contract() -> None:
    """A deployed role carries these, and the verifier of another release reads them: they never change by accident."""
    names = "shared-by shared-data revoked tool-of tool-name-tag token-vault token-vault-user attributed-to bound-to"
    names += " bound-region pinned-by minting compute-roles signing-keys minting-functions minting-roles minting-tables"
    names += " minting-buckets minting-distributions minting-zones narrowing"
    found = {name: value for name, value in vars(metadata).items() if name.isupper()}
    assert found.pop("PREFIX") == "session-scoping:"
    assert found == {name.upper().replace("-", "_"): f"session-scoping:{name}" for name in names.split()}


def test_a_model_is_invoked_by_these_actions() -> None:
    """Converse is authorized as InvokeModel; the service authorization reference has no action of its own for it."""
    assert sorted(INVOKE_ACTIONS) == ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]


def test_the_words_of_the_vault_are_the_public_contract() -> None:
    """Each flow is spelled as GetResourceOauth2Token takes it."""
    assert [flow.value for flow in token_vault.TokenFlow] == ["M2M", "USER_FEDERATION", "ON_BEHALF_OF_TOKEN_EXCHANGE"]
    named = {name: value for name, value in vars(token_vault).items() if name.isupper() and isinstance(value, str)}
    assert named == {
        "TOKEN_OF_AGENT": "bedrock-agentcore:GetWorkloadAccessToken",
        "TOKEN_FOR_JWT": "bedrock-agentcore:GetWorkloadAccessTokenForJWT",
        "TOKEN_FOR_USER_ID": "bedrock-agentcore:GetWorkloadAccessTokenForUserId",
        "OAUTH2_TOKEN": "bedrock-agentcore:GetResourceOauth2Token",
        "API_KEY": "bedrock-agentcore:GetResourceApiKey",
        "COMPLETE": "bedrock-agentcore:CompleteResourceTokenAuth",
        "INVOKE": "bedrock-agentcore:InvokeAgentRuntime",
        "INVOKE_FOR_USER": "bedrock-agentcore:InvokeAgentRuntimeForUser",
        "READ_SECRET": "secretsmanager:GetSecretValue",
    }


def test_contract_loads_without_the_cdk() -> None:
    """Importing the package and its tags starts no Node and loads no CDK."""
    code = "import sys, session_scoping; session_scoping.SessionTags(a='1'); print('aws_cdk' in sys.modules)"
    assert _python(code).strip() == "False"


def test_missing_extra_is_named() -> None:
    """Without the CDK the constructs say which extra to install."""
    code = "import sys; sys.modules['aws_cdk'] = None\ntry:\n from session_scoping import SessionRole\n"
    code += "except ImportError as e:\n print(e)"
    assert 'pip install "session-scoping[cdk]"' in _python(code)


def test_the_door_is_narrow_and_complete() -> None:
    """Every public name can be imported from the package, and nothing else can."""
    assert dir(session_scoping) == session_scoping.__all__ == sorted(session_scoping.__all__)
    for name in session_scoping.__all__:
        thing = getattr(session_scoping, name)
        assert name.isupper() or thing.__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'boto3'"):
        _ = session_scoping.boto3


@pytest.mark.parametrize("door", [session_scoping, agent])
def test_every_name_of_a_door_leads_to_a_thing(door: ModuleType) -> None:
    """What is listed can be imported, and what is not listed cannot."""
    assert dir(door) == sorted(door.__all__)
    for name in door.__all__:
        assert getattr(door, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = door.nothing
