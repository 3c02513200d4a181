"""The audit queries of docs/queries: they parse, name fields that exist, and read a source identity as we do."""

import re
import subprocess

import pytest
import sqlglot
from sqlglot import exp

from session_scoping import DEFAULT_TAG_KEYS, SourceIdentity
from tests.support import ROOT

QUERIES = ROOT / "docs" / "queries"
# CloudTrail user guide, query-supported-event-schemas: top-level fields, and those of useridentity.
RECORD = {
    "eventversion", "useridentity", "eventtime", "eventsource", "eventname", "awsregion", "sourceipaddress",
    "useragent", "errorcode", "errormessage", "requestparameters", "responseelements", "requestid", "eventid",
    "resources", "recipientaccountid", "sharedeventid", "vpcendpointid",
}  # fmt: skip
USER = {
    "type", "principalid", "arn", "accountid", "accesskeyid", "username", "sessioncontext", "sessionissuer",
    "sourceidentity", "invokedby",
}  # fmt: skip


def parsed(name: str, dialect: str) -> exp.Expr:
    """Return a file as the one statement it holds."""
    (statement,) = sqlglot.parse((QUERIES / name).read_text(), dialect=dialect)
    assert statement is not None
    return statement


def fields(statement: exp.Expr) -> set[str]:
    """Return every field a query reads, and every part of a nested one, in lower case."""
    names = {part.name.lower() for column in statement.find_all(exp.Column) for part in column.parts}
    return names | {dot.expression.name.lower() for dot in statement.find_all(exp.Dot)}


@pytest.mark.parametrize(("name", "dialect"), [("cloudtrail-lake.sql", "trino"), ("athena.sql", "athena")])
def test_the_query_is_one_select_over_fields_that_exist(name: str, dialect: str) -> None:
    """CloudTrail Lake takes a single SELECT; both read documented fields only."""
    statement = parsed(name, dialect)
    assert isinstance(statement, exp.Select)
    read = fields(statement)
    assert {"sourceidentity", "eventname", "eventsource"} <= read
    assert read - RECORD - USER - {"day"} == set()


def test_the_lake_query_says_no_interval() -> None:
    """CloudTrail Lake does not take the keyword INTERVAL."""
    assert not list(parsed("cloudtrail-lake.sql", "trino").find_all(exp.Interval))


def test_the_athena_table_has_every_field_its_query_reads() -> None:
    """AWS's example table has no sourceidentity; ours has, and the partition the query is limited by."""
    table = parsed("athena-table.sql", "athena")
    assert isinstance(table, exp.Create)
    defined = {column.name.lower() for column in table.find_all(exp.ColumnDef)}
    defined |= {part.lower() for part in re.findall(r"(\w+):", (QUERIES / "athena-table.sql").read_text())}
    assert fields(parsed("athena.sql", "athena")) <= defined | {"day"}


@pytest.mark.parametrize("name", ["cloudtrail-lake.sql", "athena.sql"])
def test_the_query_splits_an_identity_as_the_contract_does(name: str) -> None:
    """`split_part` counts from one: the tenant is the second part, the session the third."""
    identity = SourceIdentity("acme", "s-1")
    parts = identity.for_sts().split("=")
    text = (QUERIES / name).read_text()
    splits = {alias: int(index) for index, alias in re.findall(r"'=', (\d)\) AS (tenant|session)", text)}
    assert {name: parts[index - 1] for name, index in splits.items()} == {"tenant": "acme", "session": "s-1"}


@pytest.mark.parametrize("name", ["cloudtrail-lake.sql", "athena.sql"])
def test_a_session_is_found_by_what_it_does_and_by_its_making(name: str) -> None:
    """The call that makes a session carries the identity in its parameters only."""
    likes = list(parsed(name, "trino").find_all(exp.Like))
    assert [like.expression.name for like in likes] == ["agent=acme=%"] * 2


# CloudWatch Logs guide, CWL_QuerySyntax.
COMMANDS = {"fields", "filter", "parse", "sort", "display", "limit"}
FUNCTIONS = {"coalesce"}


def commands() -> list[tuple[str, str]]:
    """Return the commands of the Logs Insights query with their arguments."""
    text = (QUERIES / "logs-insights.txt").read_text()
    found = [re.fullmatch(r"\s*(\w+)\s+(.+?)\s*", part, re.DOTALL) for part in re.split(r"\n\|", text)]
    return [(match[1], match[2]) for match in found if match]


def test_the_insights_query_is_made_of_known_commands() -> None:
    """Each line is one command, fields first; functions and regular expressions are well formed."""
    found = commands()
    assert [name for name, _ in found] == ["fields", "filter", "parse", "sort", "display", "limit"]
    assert {name for name, _ in found} <= COMMANDS
    for _, argument in found:
        plain = re.sub(r"/.*/", "", argument)
        assert plain.count("(") == plain.count(")")
        assert set(re.findall(r"(\w+)\(", plain)) <= FUNCTIONS
        assert re.fullmatch(r"[\w@.,\s()]*", plain)


def test_the_insights_query_shows_only_what_it_has() -> None:
    """Every displayed field is one the first command reads, or a group the parse command names."""
    by_name = dict(commands())
    read = {part.rpartition(" as ")[2].strip() for part in re.split(r",(?![^(]*\))", by_name["fields"])}
    read |= set(re.findall(r"\(\?<(\w+)>", by_name["parse"]))
    assert {part.strip() for part in by_name["display"].split(",")} <= read


def test_the_insights_query_splits_an_identity_as_the_contract_does() -> None:
    """Its regular expression parses exactly the contract's form."""
    pattern = re.search(r"/(.*)/", dict(commands())["parse"])
    assert pattern
    expression = re.compile(pattern[1].replace("(?<", "(?P<"))
    match = expression.fullmatch(SourceIdentity("acme", "s+1@x").for_sts())
    assert match
    assert match.groupdict() == {"tenant": "acme", "session": "s+1@x"}
    assert not expression.fullmatch("agent=acme=s=1")


def test_the_documentation_names_every_query() -> None:
    """A file nobody is pointed to is not there at three in the morning."""
    text = "".join((ROOT / "docs" / name).read_text() for name in ("attribution.md", "model-cost.md"))
    for query in QUERIES.iterdir():
        assert f"queries/{query.name}" in text


COST = "model-cost.sql"
EXPORT = QUERIES / "model-cost-export.yaml"


def test_the_cost_query_reads_what_its_export_has() -> None:
    """Every column is one the export selects, and the export is told to have the caller's identity."""
    text = EXPORT.read_text()
    selected = re.search(r"SELECT (.*?)\s+FROM COST_AND_USAGE_REPORT", text, re.DOTALL)
    assert selected is not None
    columns = {name.strip() for name in selected[1].split(",")}
    statement = parsed(COST, "athena")
    assert isinstance(statement, exp.Select)
    read = {column.name for column in statement.find_all(exp.Column)}
    assert read - {alias.alias for alias in statement.expressions} <= columns
    assert {"tags", "line_item_iam_principal", "line_item_unblended_cost"} <= read
    assert 'INCLUDE_IAM_PRINCIPAL_DATA: "TRUE"' in text


def test_the_cost_query_names_the_tags_of_a_session() -> None:
    """By the prefix the bill gives them; `element_at` takes a map that lacks one, where an index would fail."""
    text = (QUERIES / COST).read_text()
    assert tuple(re.findall(r"element_at\(tags, 'iamPrincipal/(\w+)'\) AS \1", text)) == DEFAULT_TAG_KEYS


def test_the_cost_query_groups_by_all_that_it_does_not_sum() -> None:
    """The numbers of GROUP BY are the places of those columns."""
    statement = parsed(COST, "athena")
    plain = [at for at, one in enumerate(statement.expressions, 1) if not list(one.find_all(exp.Sum))]
    group = statement.args["group"]
    assert [int(one.name) for one in group.expressions] == plain


def test_the_export_passes_cfn_lint() -> None:
    """The template can be deployed as it is."""
    command = ["cfn-lint", "--regions", "us-east-1", "--", str(EXPORT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
