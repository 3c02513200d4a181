# ruff: noqa: E501, SIM102 - one mutation per line reads best
# mypy: disable-error-code="misc,func-returns-value,no-any-return"
"""Weakenings and harmless rewritings of a template, generated from the template itself."""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Template = dict[str, Any]
Body = dict[str, Any]


@dataclass(frozen=True)
class Mutation:
    """A changed template and what was changed."""

    name: str
    template: Template


def listed(value: Any) -> list[Any]:
    """Return a policy element as a list."""
    return list(value) if isinstance(value, list) else [value]


def session_role(template: Template) -> str:
    """Return the logical id of the role whose trust asks for request tags."""
    return next(
        key
        for key, resource in template["Resources"].items()
        if resource["Type"] == "AWS::IAM::Role" and "RequestTag" in json.dumps(resource["Properties"])
    )


def compute_roles(template: Template) -> list[str]:
    """Return the logical ids of the roles agent code runs with."""
    return [
        key
        for key, resource in template["Resources"].items()
        if resource["Type"] == "AWS::IAM::Role"
        and any(word in json.dumps(resource["Properties"]) for word in ("ecs-tasks.", "bedrock-agentcore."))
    ]


def documents(template: Template, role: str) -> list[Body]:
    """Return the policy documents attached to a role."""
    found = []
    for resource in template["Resources"].values():
        if resource["Type"] in {"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"}:
            if {"Ref": role} in resource["Properties"].get("Roles", []):
                found.append(resource["Properties"]["PolicyDocument"])
    for policy in template["Resources"][role]["Properties"].get("Policies", []):
        found.append(policy["PolicyDocument"])
    return found


def statements(template: Template, role: str, effect: str) -> list[Body]:
    """Return the statements of one effect attached to a role."""
    return [
        statement
        for document in documents(template, role)
        for statement in listed(document["Statement"])
        if statement["Effect"] == effect
    ]


def trust(template: Template) -> list[Body]:
    """Return the trust statements of the session role."""
    role = template["Resources"][session_role(template)]
    return listed(role["Properties"]["AssumeRolePolicyDocument"]["Statement"])


def without_guards(template: Template) -> Template:
    """Return the template with every Deny of its roles removed, so that no guard masks a weakened Allow."""
    bare = copy.deepcopy(template)
    for key, resource in list(bare["Resources"].items()):
        if resource["Type"] not in {"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"}:
            continue
        document = resource["Properties"]["PolicyDocument"]
        document["Statement"] = [s for s in listed(document["Statement"]) if s["Effect"] == "Allow"]
        if not document["Statement"]:
            del bare["Resources"][key]
    return bare


def edit(template: Template, name: str, change: Callable[[Template], object]) -> Mutation:
    """Apply a change to a copy."""
    changed = copy.deepcopy(template)
    change(changed)
    return Mutation(name, changed)


def _resources_text(statement: Body) -> str:
    return json.dumps(statement.get("Resource", ""))


def weakenings(template: Template) -> Iterator[Mutation]:
    """Yield weakened versions of a template."""
    yield from _trust_weakenings(template)
    yield from _allow_weakenings(template)
    yield from _additions(template)


def _trust_weakenings(template: Template) -> Iterator[Mutation]:
    for index, statement in enumerate(trust(template)):
        for operator, keys in statement.get("Condition", {}).items():
            yield edit(
                template,
                f"trust[{index}] drop {operator}",
                lambda t, i=index, o=operator: trust(t)[i]["Condition"].pop(o),
            )
            yield edit(
                template,
                f"trust[{index}] {operator}IfExists",
                lambda t, i=index, o=operator: _rename(trust(t)[i]["Condition"], o, f"{o}IfExists"),
            )
            if ":" in operator:
                yield edit(
                    template,
                    f"trust[{index}] {operator} without set operator",
                    lambda t, i=index, o=operator: _rename(trust(t)[i]["Condition"], o, o.partition(":")[2]),
                )
            for key, values in keys.items():
                yield edit(
                    template, f"trust[{index}] drop {operator} {key}",
                    lambda t, i=index, o=operator, k=key: trust(t)[i]["Condition"][o].pop(k),
                )  # fmt: skip
                for value in listed(values) if len(listed(values)) > 1 else ():
                    yield edit(
                        template, f"trust[{index}] {operator} {key} without {value}",
                        lambda t, i=index, o=operator, k=key, v=value: trust(t)[i]["Condition"][o][k].remove(v),
                    )  # fmt: skip
        yield edit(template, f"trust[{index}] no condition", lambda t, i=index: trust(t)[i].pop("Condition"))
        yield edit(
            template, f"trust[{index}] any tag key",
            lambda t, i=index: trust(t)[i]["Condition"]["ForAllValues:StringEquals"]["aws:TagKeys"].append("extra"),
        )  # fmt: skip
    bare = {"Effect": "Allow", "Action": "sts:AssumeRole"}
    for name, principal in (
        ("service", {"Service": "lambda.amazonaws.com"}),
        ("anybody", "*"),
        ("anybody in AWS", {"AWS": "*"}),
        ("account root", {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}),
        ("other account", {"AWS": "999988887777"}),
        ("itself", {"AWS": {"Fn::GetAtt": [session_role(template), "Arn"]}}),
    ):
        yield edit(
            template, f"trust: add {name}", lambda t, p=principal: _trust_list(t).append({**bare, "Principal": p})
        )
    yield edit(
        template, "trust: conditioned statement for its own sessions",
        lambda t: _trust_list(t).append({**copy.deepcopy(trust(t)[0]), "Principal": {"AWS": {"Fn::GetAtt": [session_role(t), "Arn"]}}}),
    )  # fmt: skip


def _trust_list(template: Template) -> list[Body]:
    document = template["Resources"][session_role(template)]["Properties"]["AssumeRolePolicyDocument"]
    document["Statement"] = listed(document["Statement"])
    return document["Statement"]


def _rename(block: Body, old: str, new: str) -> None:
    block[new] = block.pop(old)


def _allow_weakenings(template: Template) -> Iterator[Mutation]:
    role = session_role(template)
    for index, statement in enumerate(statements(template, role, "Allow")):
        at = f"allow[{index}] {statement.get('Sid', '')}"

        def get(t: Template, i: int = index) -> Body:
            return statements(t, role, "Allow")[i]

        for operator, keys in statement.get("Condition", {}).items():
            yield edit(template, f"{at} drop {operator}", lambda t, o=operator: get(t)["Condition"].pop(o))
            yield edit(
                template,
                f"{at} {operator}IfExists",
                lambda t, o=operator: _rename(get(t)["Condition"], o, f"{o}IfExists"),
            )
            if ":" in operator:
                for new in (operator.partition(":")[2], f"ForAnyValue:{operator.partition(':')[2]}"):
                    yield edit(
                        template,
                        f"{at} {operator} to {new}",
                        lambda t, o=operator, n=new: _rename(get(t)["Condition"], o, n),
                    )
            for key in keys:
                yield edit(
                    template, f"{at} drop {operator} {key}", lambda t, o=operator, k=key: get(t)["Condition"][o].pop(k)
                )
        yield edit(template, f"{at} no condition", lambda t: get(t).pop("Condition", None))
        yield edit(template, f"{at} Resource *", lambda t: get(t).update(Resource="*"))
        yield edit(template, f"{at} Action *", lambda t: get(t).update(Action="*"))
        service = listed(statement["Action"])[0].partition(":")[0]
        yield edit(template, f"{at} {service}:*", lambda t, s=service: get(t).update(Action=f"{s}:*"))
        text = json.dumps(statement)
        if "aws:PrincipalTag/task_id}" in text:
            for old, new in (
                ("${aws:PrincipalTag/task_id}", "${aws:PrincipalTag/user_id}"),
                ("${aws:PrincipalTag/task_id}", "*"),
                ("${aws:PrincipalTag/task_id}", "${aws:PrincipalTag/task_id, 'shared'}"),
                ("${aws:PrincipalTag/task_id}/*", "${aws:PrincipalTag/task_id}*"),
                ("${aws:PrincipalTag/user_id}/${aws:PrincipalTag/task_id}", "${aws:PrincipalTag/user_id}"),
                ("${aws:PrincipalTag/user_id}/${aws:PrincipalTag/task_id}/*", "*"),
                ("/${aws:PrincipalTag/task_id}", "${aws:PrincipalTag/task_id}"),
            ):
                if old in text:
                    yield edit(template, f"{at} {old} to {new}", lambda t, o=old, n=new: _replace(get(t), o, n))
        if service == "dynamodb":
            for action in ("Scan", "PartiQLSelect", "DescribeTable", "ExportTableToPointInTime"):
                yield edit(
                    template,
                    f"{at} add {action}",
                    lambda t, a=action: get(t).update(Action=[*listed(get(t)["Action"]), f"dynamodb:{a}"]),
                )
            yield edit(template, f"{at} add index", lambda t: _add_resource(get(t), "/index/*"))
            yield edit(template, f"{at} star after name", lambda t: _add_resource(get(t), "*"))
            yield edit(
                template, f"{at} index without condition",
                lambda t: documents(t, role)[0]["Statement"].append(
                    {"Effect": "Allow", "Action": "dynamodb:Query", "Resource": _suffix(listed(get(t)["Resource"])[0], "/index/by-user")}
                ),
            )  # fmt: skip
        if service == "s3":
            yield edit(
                template,
                f"{at} add ACL",
                lambda t: get(t).update(Action=[*listed(get(t)["Action"]), "s3:PutObjectAcl"]),
            )
        if service == "bedrock":
            yield edit(
                template,
                f"{at} InvokeModel*",
                lambda t: _replace(get(t), "foundation-model/anthropic", "foundation-model/*"),
            )
    for index, document in enumerate(documents(template, role)):
        if any(s["Effect"] == "Allow" for s in listed(document["Statement"])):
            yield edit(
                template, f"policy[{index}] drop Version", lambda t, i=index: documents(t, role)[i].pop("Version")
            )
            yield edit(
                template,
                f"policy[{index}] old Version",
                lambda t, i=index: documents(t, role)[i].update(Version="2008-10-17"),
            )


def _replace(body: Body, old: str, new: str) -> None:
    changed = json.loads(json.dumps(body).replace(old, new))
    body.clear()
    body.update(changed)


def _suffix(resource: Any, suffix: str) -> Any:
    return {"Fn::Join": ["", [resource, suffix]]}


def _add_resource(statement: Body, suffix: str) -> None:
    resources = listed(statement["Resource"])
    statement["Resource"] = [*resources, _suffix(resources[0], suffix)]


def _table(template: Template) -> str:
    return next(k for k, r in template["Resources"].items() if r["Type"] == "AWS::DynamoDB::Table")


def _tenant_bucket(template: Template) -> str:
    text = json.dumps(list(documents(template, session_role(template))))
    return next(k for k, r in template["Resources"].items() if r["Type"] == "AWS::S3::Bucket" and f'"{k}"' in text)


def _grant(template: Template, role: str, name: str, **body: Any) -> None:
    template["Resources"][name] = {
        "Type": "AWS::IAM::Policy",
        "Properties": {
            "PolicyName": name,
            "Roles": [{"Ref": role}],
            "PolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **body}]},
        },
    }


def _additions(template: Template) -> Iterator[Mutation]:
    session = session_role(template)
    table, bucket = _table(template), _tenant_bucket(template)
    table_arn, bucket_arn = {"Fn::GetAtt": [table, "Arn"]}, {"Fn::GetAtt": [bucket, "Arn"]}
    objects = _suffix(bucket_arn, "/*")
    admin = "arn:aws:iam::aws:policy/AdministratorAccess"
    for role in (session, *compute_roles(template)):
        for arn in (admin, "arn:aws:iam::aws:policy/PowerUserAccess", {"Fn::ImportValue": "shared-policy"}):
            yield edit(
                template,
                f"{role} managed policy {arn}",
                lambda t, r=role, a=arn: t["Resources"][r]["Properties"].update(ManagedPolicyArns=[a]),
            )
        for action, resource in (
            ("dynamodb:GetItem", table_arn), ("dynamodb:Get*", table_arn), ("dynamodb:*", "*"), ("*", "*"),
            ("DynamoDB:sCAN", table_arn), ("s3:GetObject", objects), ("s3:ListBucket", bucket_arn), ("s3:Get*", "*"),
            ("s3:PutBucketPolicy", bucket_arn), ("iam:PutRolePolicy", "*"), ("dynamodb:Query", _suffix(table_arn, "/index/*")),
            ("dynamodb:GetRecords", _suffix(table_arn, "/stream/*")),
            ("dynamodb:GetItem", {"Fn::Sub": "arn:${AWS::Partition}:dynamodb:*:${AWS::AccountId}:table/*"}),
        ):  # fmt: skip
            yield edit(
                template,
                f"{role} grant {action} on {json.dumps(resource)}",
                lambda t, r=role, a=action, x=resource: _grant(t, r, "Extra", Action=a, Resource=x),
            )
        yield edit(
            template, f"{role} NotAction", lambda t, r=role: _grant(t, r, "Extra", NotAction="iam:*", Resource="*")
        )
        yield edit(
            template,
            f"{role} NotResource",
            lambda t, r=role: _grant(
                t, r, "Extra", Action="dynamodb:GetItem", NotResource="arn:aws:dynamodb:us-east-1:1:table/none"
            ),
        )
        yield edit(
            template, f"{role} unknown operator",
            lambda t, r=role: _grant(t, r, "Extra", Action="dynamodb:GetItem", Resource=table_arn, Condition={"StringMatches": {"dynamodb:LeadingKeys": "x"}}),
        )  # fmt: skip
        yield edit(
            template, f"{role} parameter as resource",
            lambda t, r=role: (t.update(Parameters={"Where": {"Type": "String"}}), _grant(t, r, "Extra", Action="dynamodb:GetItem", Resource={"Ref": "Where"})),
        )  # fmt: skip
    yield edit(
        template,
        "session may assume anything",
        lambda t: _grant(t, session, "Extra", Action="sts:AssumeRole", Resource="*"),
    )
    principal = {"AWS": {"Fn::GetAtt": [session, "Arn"]}}
    for name, who in (("the session role", principal), ("anybody", "*")):
        statement = {"Effect": "Allow", "Principal": who, "Action": "s3:GetObject", "Resource": objects}
        yield edit(template, f"bucket policy for {name}", lambda t, s=statement: _bucket_policy(t, bucket, s))
        row = {"Effect": "Allow", "Principal": who, "Action": "dynamodb:GetItem", "Resource": "*"}
        yield edit(
            template, f"table policy for {name}",
            lambda t, s=row: t["Resources"][table]["Properties"].update(ResourcePolicy={"PolicyDocument": {"Version": "2012-10-17", "Statement": [s]}}),
        )  # fmt: skip
    yield edit(
        template, "policy attached to an unknown role",
        lambda t: (
            t.update(Parameters={"Who": {"Type": "String"}}),
            _grant(t, session, "Extra", Action="*", Resource="*"),
            t["Resources"]["Extra"]["Properties"].update(Roles=[{"Ref": "Who"}]),
        ),
    )  # fmt: skip


def _bucket_policy(template: Template, bucket: str, statement: Body) -> None:
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::S3::BucketPolicy" and resource["Properties"]["Bucket"] == {"Ref": bucket}:
            resource["Properties"]["PolicyDocument"]["Statement"].append(statement)
