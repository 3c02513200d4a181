"""One rule says which resource a word names: for options, for the enforcement fixture, everywhere."""

import pytest

from session_scoping.contract.errors import InvalidInputError
from session_scoping.testing.enforcement import EnforcedPolicies
from session_scoping.verify import verify
from session_scoping.verify.scoping.selectors import named, the_one
from tests.support.verify.mutations import Body, Template
from tests.support.verify.plain_template import plain_template

DATA = {"App.Data6F4E0A12": ("App/Data", "the table"), "App.DataKey1B2C3D4E": ("App/Data/Key", "its key")}


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("App.Data6F4E0A12", True), ("Data6F4E0A12", True), ("Data", True), ("App/Data", True), ("App", True),
        ("Dat", False), ("data", False), ("App.Dat", False), ("", False), ("/Data", False), ("6F4E0A12", False),
    ],
)  # fmt: skip
def test_a_word_is_an_id_or_a_path_or_its_end(word: str, names: bool) -> None:
    """CDK's hash may be left out; the beginning of a name names nothing."""
    assert named([word], "App.Data6F4E0A12", "App/Data") is names


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("Data", "the table"),
        ("App/Data", "the table"),
        ("Key", "its key"),
        ("DataKey", "its key"),
        ("Data/Key", "its key"),
    ],
)
def test_an_exact_name_comes_before_a_construct_on_the_way(word: str, found: str) -> None:
    """`Data` is the table, though the path of its key goes through `Data` as well."""
    assert the_one(word, DATA, "table or key") == found


def test_a_word_for_several_is_refused_with_the_candidates() -> None:
    """The reader sees what to write instead."""
    with pytest.raises(InvalidInputError, match=r"2 that match: App\.Data6F4E0A12, App\.DataKey1B2C3D4E"):
        the_one("App", DATA, "table or key")
    with pytest.raises(InvalidInputError, match="none that matches"):
        the_one("Dat", DATA, "table or key")


def beside_its_key() -> Template:
    """Return the plain template as the CDK names things, with a key whose id begins like the table's."""
    template = plain_template()
    table: Body = template["Resources"]["Table"]
    for key, path in (("Table", "App/Data/Resource"), ("DataKey", "App/DataKey/Resource")):
        resource = table if key == "Table" else {"Type": "AWS::KMS::Key", "Properties": {}}
        template["Resources"][key] = {**resource, "Metadata": {"aws:cdk:path": path}}
    return template


def test_the_fixture_and_the_options_name_the_same_resource() -> None:
    """What `stores` takes is taken by `name` and `arn`; an id that begins alike is another resource."""
    policies = EnforcedPolicies(beside_its_key())
    assert policies.name("Data") == policies.name("Table") == policies.name("App/Data")
    assert policies.arn("Data").endswith(policies.name("Data"))
    assert policies.arn("DataKey") != policies.arn("Data")
    report = verify(beside_its_key(), stores=("Data", "Bucket"))
    assert report.proved
    assert [text for text in report.assumptions if "left out" in text] == []


def test_the_fixture_names_the_candidates() -> None:
    """A construct around several is refused, and so is a word for nothing."""
    policies = EnforcedPolicies(beside_its_key())
    with pytest.raises(InvalidInputError, match=r"2 that match: Template\.DataKey, Template\.Table"):
        policies.name("App")
    with pytest.raises(InvalidInputError, match="none that matches"), policies.as_role("Missing"):
        pass
