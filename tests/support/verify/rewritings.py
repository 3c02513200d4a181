"""Harmless rewritings: another template with the same policies."""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

from tests.support.verify.mutations import Body, Mutation, Template, documents, edit, listed, session_role, trust


def rewritings(template: Template) -> Iterator[Mutation]:
    """Yield rewritings that change nothing about who may do what."""
    role = session_role(template)
    yield edit(
        template,
        "statements reversed",
        lambda t: _reverse(t, role),
    )
    yield Mutation(
        "resources in another order", {**template, "Resources": dict(reversed(template["Resources"].items()))}
    )
    yield edit(template, "keys in another order", _shuffle_keys)
    yield edit(template, "one statement per action", lambda t: _each_document(t, role, _split_actions))
    yield edit(template, "one statement per resource", lambda t: _each_document(t, role, _split_resources))
    yield edit(template, "scalars as lists", lambda t: _each_statement(t, role, _as_lists))
    yield edit(template, "no Sids", lambda t: _each_statement(t, role, lambda s: s.pop("Sid", None)))
    yield edit(template, "everything in one policy", lambda t: _merge_policies(t, role))
    yield edit(template, "inline policies", lambda t: _inline(t, role))
    yield edit(template, "Fn::Sub instead of Fn::Join", lambda t: _replace_values(t, _join_to_sub))
    yield edit(template, "Fn::GetAtt as a string", lambda t: _replace_values(t, _getatt_string))
    yield edit(template, "ARNs spelled out", lambda t: _replace_values(t, _spell_table_arn(t)))
    yield Mutation("other logical ids", _renamed(template))
    yield edit(template, "condition keys in another case", lambda t: _each_statement(t, role, _key_case))
    yield edit(template, "actions in another case", lambda t: _each_statement(t, role, _action_case))
    yield edit(template, "trust: one statement per action", _split_trust)
    yield edit(template, "trust: one statement per principal", _split_trust_principals)
    yield edit(
        template,
        "trust: tag keys in another order",
        lambda t: trust(t)[0]["Condition"]["ForAllValues:StringEquals"]["aws:TagKeys"].reverse(),
    )
    yield edit(template, "StringLike for leading keys", lambda t: _each_statement(t, role, _like_leading_keys))
    yield edit(
        template,
        "a Deny more",
        lambda t: _first_policy(t, role).append({"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*"}),
    )
    yield edit(template, "one action fewer", _fewer_actions)
    yield edit(template, "an unused parameter, condition and output", _clutter)
    yield edit(template, "statements behind Fn::If", lambda t: _conditional(t, role))
    yield edit(
        template, "shorter sessions", lambda t: t["Resources"][role]["Properties"].update(MaxSessionDuration=3600)
    )
    yield edit(template, "a permissions boundary", lambda t: _boundary(t, role))
    yield edit(template, "another role that has nothing to do with it", _bystander)
    yield edit(template, "nested Fn::Join", lambda t: _replace_values(t, _nest_join))
    yield edit(template, "Fn::Sub with a map", lambda t: _replace_values(t, _join_to_mapped_sub))
    yield edit(template, "an Fn::If of two equal halves", lambda t: _same_either_way(t, role))
    yield edit(template, "inline policies behind Fn::If", lambda t: _inline_either_way(t, role))
    yield edit(template, "IfExists where Null asks for the key", lambda t: _each_statement(t, role, _if_exists))
    yield edit(
        template,
        "repeated statement",
        lambda t: _first_policy(t, role).append(copy.deepcopy(_first_policy(t, role)[0])),
    )


def all_at_once(template: Template) -> Mutation:
    """Return a template rewritten in many ways, one on top of another."""
    for name in TOGETHER:
        template = next(mutation.template for mutation in rewritings(template) if mutation.name == name)
    return Mutation("many rewritings together", template)


# Those that leave the text of a template as others expect to find it, in an order in which each still finds its place.
TOGETHER = (
    "no Sids", "one statement per action", "one statement per resource", "trust: one statement per action",
    "trust: one statement per principal", "a Deny more", "an unused parameter, condition and output",
    "another role that has nothing to do with it", "statements reversed", "resources in another order",
    "IfExists where Null asks for the key", "condition keys in another case", "actions in another case",
    "nested Fn::Join", "keys in another order", "other logical ids", "scalars as lists",
)  # fmt: skip


def _reverse(template: Template, role: str) -> None:
    for document in documents(template, role):
        document["Statement"] = listed(document["Statement"])[::-1]


def _each_document(template: Template, role: str, change: Any) -> None:
    for document in documents(template, role):
        document["Statement"] = [new for statement in listed(document["Statement"]) for new in change(statement)]


def _each_statement(template: Template, role: str, change: Any) -> None:
    for document in documents(template, role):
        for statement in listed(document["Statement"]):
            change(statement)


def _first_policy(template: Template, role: str) -> list[Body]:
    document = documents(template, role)[0]
    document["Statement"] = listed(document["Statement"])
    return document["Statement"]  # type: ignore[no-any-return]


def _shuffle_keys(template: Template) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            items = list(value.items())
            random.Random(7).shuffle(items)
            return {key: shuffled(item) for key, item in items}
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    template.update(shuffled(template))


def _split_actions(statement: Body) -> list[Body]:
    # A NotAction must stay whole: split up it would deny everything.
    if "Action" not in statement:
        return [statement]
    return [{**copy.deepcopy(statement), "Action": action} for action in listed(statement["Action"])]


def _split_resources(statement: Body) -> list[Body]:
    if "Resource" not in statement:
        return [statement]
    return [{**copy.deepcopy(statement), "Resource": [resource]} for resource in listed(statement["Resource"])]


def _as_lists(statement: Body) -> None:
    for element in ("Action", "NotAction", "Resource", "NotResource"):
        if element in statement:
            statement[element] = listed(statement[element])
    for keys in statement.get("Condition", {}).values():
        for key, values in keys.items():
            keys[key] = listed(values)


def _merge_policies(template: Template, role: str) -> None:
    merged = [s for document in documents(template, role) for s in listed(document["Statement"])]
    for key, resource in list(template["Resources"].items()):
        if resource["Type"].startswith("AWS::IAM::") and {"Ref": role} in resource.get("Properties", {}).get(
            "Roles", []
        ):
            del template["Resources"][key]
    template["Resources"]["Merged"] = {
        "Type": "AWS::IAM::Policy",
        "Properties": {
            "PolicyName": "m",
            "Roles": [{"Ref": role}],
            "PolicyDocument": {"Version": "2012-10-17", "Statement": merged},
        },
    }
    for resource in template["Resources"].values():
        resource.pop("DependsOn", None)


def _inline(template: Template, role: str) -> None:
    found = documents(template, role)
    for key, resource in list(template["Resources"].items()):
        if resource["Type"].startswith("AWS::IAM::") and {"Ref": role} in resource.get("Properties", {}).get(
            "Roles", []
        ):
            del template["Resources"][key]
    policies = [{"PolicyName": f"p{i}", "PolicyDocument": document} for i, document in enumerate(found)]
    template["Resources"][role]["Properties"]["Policies"] = policies


def _replace_values(template: Template, change: Any) -> None:
    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            changed = change(value)
            if changed is not None:
                return changed
            return {key: walk(item) for key, item in value.items()}
        return [walk(item) for item in value] if isinstance(value, list) else value

    template["Resources"] = walk(template["Resources"])


def _join_to_sub(value: Body) -> Any:
    if set(value) != {"Fn::Join"} or value["Fn::Join"][0] != "":
        return None
    pieces = []
    for part in value["Fn::Join"][1]:
        if isinstance(part, str):
            pieces.append(part.replace("${", "${!"))
        elif "Ref" in part:
            pieces.append("${" + part["Ref"] + "}")
        elif "Fn::GetAtt" in part:
            pieces.append("${" + ".".join(part["Fn::GetAtt"]) + "}")
        else:
            return None
    return {"Fn::Sub": "".join(pieces)}


def _nest_join(value: Body) -> Any:
    if set(value) != {"Fn::Join"} or value["Fn::Join"][0] != "" or len(value["Fn::Join"][1]) < 2:
        return None
    first, *rest = value["Fn::Join"][1]
    return {"Fn::Join": ["", [first, {"Fn::Join": ["", rest]}]]}


def _join_to_mapped_sub(value: Body) -> Any:
    if set(value) != {"Fn::Join"} or value["Fn::Join"][0] != "":
        return None
    names = {f"V{i}": part for i, part in enumerate(value["Fn::Join"][1]) if not isinstance(part, str)}
    pieces = [
        part.replace("${", "${!") if isinstance(part, str) else f"${{V{i}}}"
        for i, part in enumerate(value["Fn::Join"][1])
    ]
    return {"Fn::Sub": ["".join(pieces), names]} if names else None


def _same_either_way(template: Template, role: str) -> None:
    template.setdefault("Conditions", {})["Either"] = {"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-west-1"]}
    for document in documents(template, role):
        whole = listed(document["Statement"])
        document["Statement"] = {"Fn::If": ["Either", whole, copy.deepcopy(whole)]}


def _inline_either_way(template: Template, role: str) -> None:
    _inline(template, role)
    template.setdefault("Conditions", {})["Either"] = {"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-west-1"]}
    properties = template["Resources"][role]["Properties"]
    properties["Policies"] = {"Fn::If": ["Either", properties["Policies"], copy.deepcopy(properties["Policies"])]}


def _if_exists(statement: Body) -> None:
    block = statement.get("Condition", {})
    if statement["Effect"] == "Allow" and "dynamodb:LeadingKeys" in block.get("Null", {}):
        block["ForAllValues:StringEqualsIfExists"] = block.pop("ForAllValues:StringEquals")


def _getatt_string(value: Body) -> Any:
    if set(value) == {"Fn::GetAtt"} and isinstance(value["Fn::GetAtt"], list):
        return {"Fn::GetAtt": ".".join(value["Fn::GetAtt"])}
    return None


def _spell_table_arn(template: Template) -> Any:
    shapes = {
        "AWS::DynamoDB::Table": "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${%s}",
        "AWS::S3::Bucket": "arn:${AWS::Partition}:s3:::${%s}",
    }
    kinds = {key: resource["Type"] for key, resource in template["Resources"].items()}

    def change(value: Body) -> Any:
        if set(value) == {"Fn::GetAtt"} and value["Fn::GetAtt"][1] == "Arn":
            shape = shapes.get(kinds[value["Fn::GetAtt"][0]])
            return {"Fn::Sub": shape % value["Fn::GetAtt"][0]} if shape else None
        return None

    return change


def _renamed(template: Template) -> Template:
    text = json.dumps(template)
    for index, key in enumerate(sorted(template["Resources"], key=len, reverse=True)):
        text = text.replace(f'"{key}"', f'"Renamed{index}X"').replace("${" + key, "${" + f"Renamed{index}X")
    renamed: Template = json.loads(text)
    return renamed


def _key_case(statement: Body) -> None:
    for keys in statement.get("Condition", {}).values():
        for key in list(keys):
            keys[key.replace("PrincipalTag", "principaltag").replace("LeadingKeys", "leadingkeys")] = keys.pop(key)


def _action_case(statement: Body) -> None:
    for element in ("Action", "NotAction"):
        if element in statement:
            statement[element] = [action.upper() for action in listed(statement[element])]


def _trust_document(template: Template) -> Body:
    document: Body = template["Resources"][session_role(template)]["Properties"]["AssumeRolePolicyDocument"]
    return document


def _split_trust(template: Template) -> None:
    document = _trust_document(template)
    document["Statement"] = [new for statement in listed(document["Statement"]) for new in _split_actions(statement)]


def _split_trust_principals(template: Template) -> None:
    document = _trust_document(template)
    document["Statement"] = [
        {**copy.deepcopy(statement), "Principal": {kind: principal}}
        for statement in listed(document["Statement"])
        for kind, principals in statement["Principal"].items()
        for principal in listed(principals)
    ]


def _like_leading_keys(statement: Body) -> None:
    block = statement.get("Condition", {})
    if "ForAllValues:StringEquals" in block:
        block["ForAllValues:StringLike"] = block.pop("ForAllValues:StringEquals")


def _fewer_actions(template: Template) -> None:
    for document in documents(template, session_role(template)):
        for statement in listed(document["Statement"]):
            actions = listed(statement.get("Action", []))
            if statement["Effect"] == "Allow" and len(actions) > 1 and "dynamodb:GetItem" in actions:
                actions.remove("dynamodb:GetItem")
                statement["Action"] = actions
                return


def _clutter(template: Template) -> None:
    template["Parameters"] = {"Unused": {"Type": "String", "Default": "*"}}
    template["Conditions"] = {"IsX": {"Fn::Equals": [{"Ref": "Unused"}, "x"]}}
    template["Outputs"] = {"Role": {"Value": {"Fn::GetAtt": [session_role(template), "Arn"]}}}


def _conditional(template: Template, role: str) -> None:
    template["Conditions"] = {"IsX": {"Fn::Equals": [{"Ref": "AWS::Region"}, "x"]}}
    for document in documents(template, role):
        for statement in listed(document["Statement"]):
            if statement["Effect"] == "Allow":
                statement["Resource"] = {"Fn::If": ["IsX", statement["Resource"], statement["Resource"]]}


def _boundary(template: Template, role: str) -> None:
    template["Resources"]["Boundary"] = {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
            }
        },
    }
    template["Resources"][role]["Properties"]["PermissionsBoundary"] = {"Ref": "Boundary"}


def _bystander(template: Template) -> None:
    template["Resources"]["Bystander"] = {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
                ],
            },
            "ManagedPolicyArns": [
                {"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"}
            ],
        },
    }
