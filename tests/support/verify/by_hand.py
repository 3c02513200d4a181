# mypy: disable-error-code="func-returns-value, no-any-return"
# ruff: noqa: ARG005 - a table of changes, each a function of the template
"""Weakenings written by hand, one by one, where `weakenings` makes them by rule: what a reviewer would try."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

from tests.support.verify.mutations import (
    Body,
    Mutation,
    Template,
    compute_roles,
    documents,
    edit,
    listed,
    session_role,
    trust,
)

Change = Callable[[Template], object]

TASK_TAG = "${aws:PrincipalTag/task_id}"


def by_hand(template: Template) -> Iterator[Mutation]:
    """Yield every weakening of a template without its guards; each opens something, or is not to be read."""
    for name, change in CHANGES.items():
        yield edit(template, name, change)


def _id(template: Template, kind: str) -> str:
    return next(key for key, body in template["Resources"].items() if body["Type"] == kind)


def _table(template: Template) -> Body:
    return {"Fn::GetAtt": [_keyed(template)["Resource"][0]["Fn::GetAtt"][0], "Arn"]}


def _bucket(template: Template) -> str:
    text = str([s["Resource"] for s in _allows(template) if "s3:PutObject" in listed(s.get("Action", []))])
    return next(k for k, r in template["Resources"].items() if r["Type"] == "AWS::S3::Bucket" and f"'{k}'" in text)


def _allows(template: Template) -> list[Body]:
    return [s for d in documents(template, session_role(template)) for s in listed(d["Statement"])]


def _keyed(template: Template) -> Body:
    """Return the first statement on a table's items; its resources are a list."""
    found = next(s for s in _allows(template) if "LeadingKeys" in str(s.get("Condition")))
    found["Resource"] = listed(found["Resource"])
    return found


def _objects(template: Template) -> Body:
    return next(s for s in _allows(template) if "s3:PutObject" in listed(s.get("Action", [])))


def _role(template: Template) -> Body:
    properties: Body = template["Resources"][session_role(template)]["Properties"]
    return properties


def _arn(template: Template) -> Body:
    return {"Fn::GetAtt": [session_role(template), "Arn"]}


def _document(*statements: Body) -> Body:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(action: Any, resource: Any, **more: Any) -> Body:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def _policy(*statements: Body) -> Body:
    return {"PolicyName": "more", "PolicyDocument": _document(*statements)}


def _scan(template: Template) -> Body:
    return _policy(_allow("dynamodb:Scan", _table(template)))


def _if(template: Template, yes: Any, no: Any) -> Body:
    template.setdefault("Conditions", {})["Maybe"] = {"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-west-1"]}
    return {"Fn::If": ["Maybe", yes, no]}


NOTHING = {"Ref": "AWS::NoValue"}


def _resource(kind: str, **properties: Any) -> Body:
    return {"Type": kind, "Properties": properties}


def _add(kind: str, **make: Callable[[Template], Any]) -> Change:
    """Return a change that adds a resource, its properties computed from the template."""

    def change(template: Template) -> None:
        template["Resources"]["More"] = _resource(kind, **{name: value(template) for name, value in make.items()})

    return change


def _on_role(**make: Callable[[Template], Any]) -> Change:
    return lambda t: _role(t).update({name: value(t) for name, value in make.items()})


def _on_table(**make: Callable[[Template], Any]) -> Change:
    def change(template: Template) -> None:
        body = template["Resources"][_table(template)["Fn::GetAtt"][0]]
        body["Properties"].update({name: value(template) for name, value in make.items()})

    return change


def _on_bucket(**make: Callable[[Template], Any]) -> Change:
    def change(template: Template) -> None:
        template["Resources"][_bucket(template)]["Properties"].update({n: v(template) for n, v in make.items()})

    return change


def _bucket_policy(principal: Callable[[Template], Any], **more: Any) -> Change:
    """Return a change that lets a bucket's own policy read every object."""

    def change(template: Template) -> None:
        bucket = _bucket(template)
        everything = {"Fn::Sub": f"${{{bucket}.Arn}}/*"}
        statement = _allow("s3:GetObject", everything, Principal=principal(template), **more)
        template["Resources"]["More"] = _resource(
            "AWS::S3::BucketPolicy", Bucket={"Ref": bucket}, PolicyDocument=_document(statement)
        )

    return change


def _resource_policy(template: Template, principal: Any = None) -> Body:
    statement = _allow("dynamodb:GetItem", "*", Principal=principal or {"AWS": _arn(template)})
    return {"PolicyDocument": _document(statement)}


def _moved(template: Template, operator: str) -> None:
    """Split a statement in two, and leave one of its conditions to the other half."""
    statement = _keyed(template)
    other = copy.deepcopy(statement)
    del statement["Condition"][operator]
    other["Condition"] = {k: v for k, v in other["Condition"].items() if k == operator}
    _document_of(template, statement).append(other)


def _document_of(template: Template, statement: Body) -> list[Body]:
    document = next(d for d in documents(template, session_role(template)) if statement in listed(d["Statement"]))
    document["Statement"] = listed(document["Statement"])
    found: list[Body] = document["Statement"]
    return found


def _operator(old: str, new: str, change: Callable[[Any], Any] = lambda keys: keys) -> Change:
    def apply(template: Template) -> None:
        for statement in (s for s in _allows(template) if old in s.get("Condition", {})):
            if "LeadingKeys" in str(statement["Condition"]):
                moved = change(statement["Condition"].pop(old))
                statement["Condition"].setdefault(new, {}).update(moved)

    return apply


def _leading(value: Any) -> Change:
    return lambda t: _keyed(t).update(
        Condition={
            "ForAllValues:StringLike": {"dynamodb:LeadingKeys": value},
            "Null": {"dynamodb:LeadingKeys": "false"},
        }
    )


def _objects_at(suffix: str) -> Change:
    return lambda t: _objects(t).update(Resource={"Fn::Sub": f"${{{_bucket(t)}.Arn}}/{suffix}"})


def _trust_more(**body: Any) -> Change:
    def change(template: Template) -> None:
        statements = trust(template)
        statements.append({**copy.deepcopy(statements[0]), **body})

    return change


def _rename_trust_operator(old: str, new: str) -> Change:
    return lambda t: trust(t)[0]["Condition"].update({new: trust(t)[0]["Condition"].pop(old)})


def _role_tags_instead(template: Template) -> None:
    """Take the tag from the role, where every session inherits it."""
    trust(template)[0]["Condition"]["StringLike"].pop("aws:RequestTag/task_id")
    _role(template)["Tags"] = [{"Key": "task_id", "Value": "shared"}]


def _rename(template: Template, name: str) -> None:
    _role(template)["RoleName"] = name


def _named_by_text(template: Template) -> None:
    """Give the role a name, and let a secret's policy speak of it by that name."""
    _rename(template, "sessions")
    principal = {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/sessions"}}
    statement = _allow("secretsmanager:GetSecretValue", "*", Principal=principal)
    template["Resources"]["More"] = _resource(
        "AWS::SecretsManager::ResourcePolicy", SecretId="s", ResourcePolicy=_document(statement)
    )


def _compute(template: Template, *statements: Body) -> None:
    role = template["Resources"][compute_roles(template)[0]]["Properties"]
    role.setdefault("Policies", []).append(_policy(*statements))


CHANGES: dict[str, Change] = {
    # Conditions
    "the key condition moved to another statement": lambda t: _moved(t, "ForAllValues:StringEquals"),
    "the Null moved to another statement": lambda t: _moved(t, "Null"),
    "ForAnyValue instead of ForAllValues": _operator("ForAllValues:StringEquals", "ForAnyValue:StringEquals"),
    "keys compared without their letter case": _operator(
        "ForAllValues:StringEquals", "ForAllValues:StringEqualsIgnoreCase"
    ),
    "the key condition negated": _operator("ForAllValues:StringEquals", "ForAllValues:StringNotEquals"),
    "ARN operator on keys": _operator("ForAllValues:StringEquals", "ForAllValues:ArnLike"),
    "Null turned around": lambda t: _keyed(t)["Condition"].update(Null={"dynamodb:LeadingKeys": "true"}),
    "Null of both kinds": lambda t: _keyed(t)["Condition"].update(Null={"dynamodb:LeadingKeys": ["true", "false"]}),
    "Null for another key": lambda t: _keyed(t)["Condition"].update(Null={"dynamodb:Attributes": "false"}),
    "the first partition key value instead": _operator(
        "ForAllValues:StringEquals", "ForAllValues:StringEquals",
        lambda keys: {"dynamodb:FirstPartitionKeyValues": [TASK_TAG]},
    ),
    "the task tag or the user tag": _leading([TASK_TAG, "${aws:PrincipalTag/user_id}"]),
    "the repo tag": _leading(["${aws:PrincipalTag/repo}"]),
    "a key that begins with the tag": _leading([f"{TASK_TAG}*"]),
    "a key that ends with the tag": _leading([f"*{TASK_TAG}"]),
    "a key one letter longer": _leading([f"{TASK_TAG}?"]),
    "an empty key besides": _leading([TASK_TAG, ""]),
    "the tag of the request": _leading(["${aws:RequestTag/task_id}"]),
    "the tag of the resource": _leading(["${aws:ResourceTag/task_id}"]),
    "the key compared with itself": _leading(["${dynamodb:LeadingKeys}"]),
    "a literal star as a variable": _leading(["${*}"]),
    "the session name": _leading(["${aws:userid}"]),
    "the source identity": _leading(["${aws:SourceIdentity}"]),
    "no condition at all, by NoValue": lambda t: _keyed(t).update(Condition=NOTHING),
    "no condition in one Region": lambda t: _keyed(t).update(Condition=_if(t, _keyed(t)["Condition"], NOTHING)),
    "no condition elsewhere": lambda t: _keyed(t).update(Condition=_if(t, NOTHING, _keyed(t)["Condition"])),
    # Actions and resources
    "NotAction": lambda t: _keyed(t).update(NotAction=_keyed(t).pop("Action")),
    "NotResource": lambda t: _keyed(t).update(NotResource=_keyed(t).pop("Resource")),
    "NotResource on objects": lambda t: _objects(t).update(NotResource=_objects(t).pop("Resource")),
    "NotAction on objects": lambda t: _objects(t).update(NotAction=_objects(t).pop("Action")),
    "actions in a pattern of question marks": lambda t: _objects(t).update(Action="s3:??tObject*"),
    "Scan in odd letter case": _on_role(
        Policies=lambda t: [_policy(_allow("DYNAMODB:sCAN", _table(t)))]
    ),
    "half of PartiQL": _on_role(Policies=lambda t: [_policy(_allow("dynamodb:*Select", _table(t)))]),
    "any index": _on_role(
        Policies=lambda t: [_policy({**copy.deepcopy(_keyed(t)), "Action": "dynamodb:Query",
                                     "Resource": {"Fn::Join": ["/", [_table(t), "index", "*"]]}})]
    ),
    "the stream": _on_role(
        Policies=lambda t: [_policy(_allow("dynamodb:GetRecords", {"Fn::Join": ["", [_table(t), "/stream/*"]]}))]
    ),
    "objects of the prefix without the task": _objects_at("traces/${!aws:PrincipalTag/user_id}*"),
    "objects by the repo": _objects_at("traces/${!aws:PrincipalTag/repo}/*"),
    "objects by two tags without a slash": _objects_at(
        "traces/${!aws:PrincipalTag/user_id}${!aws:PrincipalTag/task_id}/*"
    ),
    "objects under a wildcard of one letter": _objects_at("traces/?/${!aws:PrincipalTag/task_id}/*"),
    "every object's attributes": _on_role(
        Policies=lambda t: [_policy(_allow("s3:GetObjectAttributes", {"Fn::Sub": f"${{{_bucket(t)}.Arn}}/*"}))]
    ),
    "objects through any access point": _on_role(
        Policies=lambda t: [_policy(_allow("s3:GetObject", "arn:aws:s3:*:*:accesspoint/*"))]
    ),
    # Where policies hang
    "an inline policy in one Region": _on_role(Policies=lambda t: [_if(t, _scan(t), NOTHING)]),
    "an inline policy elsewhere": _on_role(Policies=lambda t: [_if(t, NOTHING, _scan(t))]),
    "all inline policies elsewhere": _on_role(Policies=lambda t: _if(t, [], [_scan(t)])),
    "a document elsewhere": _on_role(
        Policies=lambda t: [{"PolicyName": "p", "PolicyDocument": _if(t, _document(), _scan(t)["PolicyDocument"])}]
    ),
    "a statement elsewhere": _on_role(
        Policies=lambda t: [_policy(_if(t, NOTHING, _scan(t)["PolicyDocument"]["Statement"][0]))]
    ),
    "a managed policy of AWS elsewhere": _on_role(
        ManagedPolicyArns=lambda t: [_if(t, NOTHING, "arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess")]
    ),
    "managed policies of AWS elsewhere": _on_role(
        ManagedPolicyArns=lambda t: _if(t, [], ["arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess"])
    ),
    "a managed policy of AWS": _on_role(
        ManagedPolicyArns=lambda t: [{"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/AmazonDynamoDBFullAccess"}]
    ),
    "a managed policy AWS renamed": _on_role(
        ManagedPolicyArns=lambda t: ["arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess"]
    ),
    "a managed policy from a parameter": lambda t: (
        t.update(Parameters={"Policy": {"Type": "String", "Default": "arn:aws:iam::aws:policy/ReadOnlyAccess"}}),
        _role(t).update(ManagedPolicyArns=[{"Ref": "Policy"}]),
    ),
    "managed policies from a list parameter": lambda t: (
        t.update(Parameters={"More": {"Type": "CommaDelimitedList", "Default": ""}}),
        _role(t).update(ManagedPolicyArns={"Ref": "More"}),
    ),
    "a standalone role policy": _add(
        "AWS::IAM::RolePolicy", PolicyName=lambda t: "p", RoleName=lambda t: {"Ref": session_role(t)},
        PolicyDocument=lambda t: _scan(t)["PolicyDocument"],
    ),
    "a policy for one role here and another there": _add(
        "AWS::IAM::Policy", PolicyName=lambda t: "p", PolicyDocument=lambda t: _scan(t)["PolicyDocument"],
        Roles=lambda t: [_if(t, "somebody", {"Ref": session_role(t)})],
    ),
    "a policy for no role here and one there": _add(
        "AWS::IAM::ManagedPolicy", PolicyDocument=lambda t: _scan(t)["PolicyDocument"],
        Roles=lambda t: _if(t, [], [{"Ref": session_role(t)}]),
    ),
    "a policy for a role found in its ARN": _add(
        "AWS::IAM::Policy", PolicyName=lambda t: "p", PolicyDocument=lambda t: _scan(t)["PolicyDocument"],
        Roles=lambda t: [{"Fn::Select": [1, {"Fn::Split": ["/", _arn(t)]}]}],
    ),
    "a policy for a role by its name": lambda t: (
        _rename(t, "sessions"),
        t["Resources"].update(More=_resource("AWS::IAM::Policy", PolicyName="p", Roles=["sessions"],
                                             PolicyDocument=_scan(t)["PolicyDocument"])),
    ),
    "properties from elsewhere": lambda t: _role(t).update(
        {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://bucket/more.json"}}}
    ),
    "statements from elsewhere": lambda t: _allows_document(t).append(
        {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://bucket/more.json"}}}
    ),
    "a module that adds resources": _add("Acme::Session::Access::MODULE", Role=lambda t: {"Ref": session_role(t)}),
    "a nested stack from elsewhere": _add(
        "AWS::CloudFormation::Stack", TemplateURL=lambda t: "https://example.com/more.json",
        Parameters=lambda t: {"Role": {"Ref": session_role(t)}},
    ),
    # Resource policies
    "a bucket policy for the role": _bucket_policy(lambda t: {"AWS": _arn(t)}),
    "a bucket policy for a list with the role": _bucket_policy(
        lambda t: {"AWS": ["arn:aws:iam::999999999999:role/x", _arn(t)]}
    ),
    "a bucket policy for everybody": _bucket_policy(lambda t: "*"),
    "a bucket policy for everybody of the account": _bucket_policy(
        lambda t: {"AWS": "*"}, Condition={"StringEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}}
    ),
    "a bucket policy by the name of the caller": _bucket_policy(
        lambda t: "*", Condition={"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*Session*"}}
    ),
    "a bucket policy for the session": _bucket_policy(
        lambda t: {"AWS": {"Fn::Sub": f"arn:aws:sts::${{AWS::AccountId}}:assumed-role/${{{session_role(t)}}}/s"}}
    ),
    "a bucket policy for the role's id": _bucket_policy(
        lambda t: {"AWS": {"Fn::GetAtt": [session_role(t), "RoleId"]}}
    ),
    "a bucket policy for all but somebody": lambda t: (
        _bucket_policy(lambda t: {"AWS": _arn(t)})(t),
        _not_principal(t["Resources"]["More"]["Properties"]["PolicyDocument"]["Statement"][0]),
    ),
    "a bucket policy in one Region": lambda t: (
        _bucket_policy(lambda t: {"AWS": _arn(t)})(t),
        t["Resources"]["More"].update(Condition=_if(t, 1, 2)["Fn::If"][0]),
    ),
    "a bucket policy on this bucket elsewhere": lambda t: (
        _bucket_policy(lambda t: {"AWS": _arn(t)})(t),
        t["Resources"]["More"]["Properties"].update(Bucket=_if(t, "another", {"Ref": _bucket(t)})),
    ),
    "a public bucket": _on_bucket(AccessControl=lambda t: "PublicRead"),
    "a bucket all accounts read": _on_bucket(AccessControl=lambda t: "AuthenticatedRead"),
    "a table policy for the role": _on_table(ResourcePolicy=lambda t: _resource_policy(t)),
    "a table policy for everybody": _on_table(ResourcePolicy=lambda t: _resource_policy(t, "*")),
    "a table policy elsewhere": _on_table(ResourcePolicy=lambda t: _if(t, NOTHING, _resource_policy(t))),
    "a stream policy for the role": _on_table(
        StreamSpecification=lambda t: {
            "StreamViewType": "NEW_IMAGE",
            "ResourcePolicy": {"PolicyDocument": _document(
                _allow("dynamodb:GetRecords", "*", Principal={"AWS": _arn(t)}))},
        }
    ),
    "an access point for the role": _add(
        "AWS::S3::AccessPoint", Bucket=lambda t: {"Ref": _bucket(t)},
        Policy=lambda t: _document(_allow("s3:GetObject", "*", Principal={"AWS": _arn(t)})),
    ),
    "a secret's policy that names the role by its text": _named_by_text,
    "a function the role may call": _add(
        "AWS::Lambda::Permission", Action=lambda t: "lambda:InvokeFunction", FunctionName=lambda t: "f",
        Principal=lambda t: _arn(t),
    ),
    "an event bus the role may use": _add(
        "AWS::Events::EventBusPolicy", StatementId=lambda t: "s", EventBusName=lambda t: "b",
        Statement=lambda t: _allow("events:PutEvents", "*", Principal={"AWS": _arn(t)}),
    ),
    # Trust
    "trust: a tag may be missing, by ForAllValues": lambda t: trust(t)[0]["Condition"].update(
        {"ForAllValues:StringLike": {"aws:RequestTag/task_id":
                                     trust(t)[0]["Condition"]["StringLike"].pop("aws:RequestTag/task_id")}}
    ),
    "trust: a tag may be missing, by IfExists": _rename_trust_operator("StringLike", "StringLikeIfExists"),
    "trust: any of the keys is enough": _rename_trust_operator("ForAllValues:StringEquals", "ForAnyValue:StringEquals"),
    "trust: a tag is there but may be empty": lambda t: (
        trust(t)[0]["Condition"]["StringLike"].pop("aws:RequestTag/task_id"),
        trust(t)[0]["Condition"]["Null"].update({"aws:RequestTag/task_id": "false"}),
    ),
    "trust: the role's tags instead of the session's": _role_tags_instead,
    "trust: the principal's tag instead of the request's": lambda t: trust(t)[0]["Condition"]["StringLike"].update(
        {"aws:PrincipalTag/task_id": trust(t)[0]["Condition"]["StringLike"].pop("aws:RequestTag/task_id")}
    ),
    "trust: tag keys by a pattern": lambda t: trust(t)[0]["Condition"].update(
        {"ForAllValues:StringLike": {"aws:TagKeys": ["*_id", "repo"]}, "ForAllValues:StringEquals": {}}
    ),
    "trust: the tag compared with itself": lambda t: trust(t)[0]["Condition"]["StringLike"].update(
        {"aws:RequestTag/task_id": "${aws:RequestTag/task_id}"}
    ),
    "trust: no slash kept out": lambda t: trust(t)[0]["Condition"].pop("StringNotLike"),
    "trust: slashes kept out of each value unless they come twice": lambda t: trust(t)[0]["Condition"][
        "StringNotLike"].update({"aws:RequestTag/user_id": ["*//*", "*..*", "."]}),
    "trust: an account beside the role": lambda t: trust(t)[0].update(
        Principal={"AWS": [*listed(trust(t)[0]["Principal"]["AWS"]), {"Ref": "AWS::AccountId"}]}
    ),
    "trust: everybody, in a list": lambda t: trust(t)[0].update(Principal={"AWS": ["*"]}),
    "trust: everybody but one": lambda t: (
        trust(t)[0].pop("Principal"), trust(t)[0].update(NotPrincipal={"AWS": "arn:aws:iam::999999999999:root"})
    ),
    "trust: everything but one action": lambda t: (
        trust(t)[0].pop("Action"), trust(t)[0].update(NotAction="sts:GetCallerIdentity", Condition={})
    ),
    "trust: a second statement elsewhere": lambda t: _role(t)["AssumeRolePolicyDocument"].update(
        Statement=[*trust(t), _if(t, NOTHING, {"Effect": "Allow", "Action": "sts:AssumeRole",
                                               "Principal": trust(t)[0]["Principal"]})]
    ),
    "trust: a document elsewhere": lambda t: _role(t).update(
        AssumeRolePolicyDocument=_if(t, _role(t)["AssumeRolePolicyDocument"], _document(
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": trust(t)[0]["Principal"]}))
    ),
    "trust: a service besides": lambda t: trust(t).append(
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
    ),
    "trust: a SAML provider besides": _trust_more(
        Action=["sts:AssumeRoleWithSAML", "sts:TagSession"], Principal={"Federated": "arn:aws:iam::1:saml-provider/x"}
    ),
    "trust: a Deny for one caller only": lambda t: (
        trust(t).append({"Effect": "Deny", "Action": "sts:*", "Principal": {"AWS": "arn:aws:iam::1:role/x"},
                         "Condition": {"StringNotLike": {"aws:RequestTag/task_id": "?*"}}}),
        trust(t)[0]["Condition"]["StringLike"].pop("aws:RequestTag/task_id"),
    ),
    # Compute roles
    "compute: a table by a pattern": lambda t: _compute(t, _allow("dynamodb:B*Item", "arn:aws:dynamodb:*:*:table/*")),
    "compute: items by a tag its callers choose": lambda t: (
        _compute(t, {**copy.deepcopy(_keyed(t))}),
        t["Resources"][compute_roles(t)[0]]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0].update(
            Action=["sts:AssumeRole", "sts:TagSession"]
        ),
    ),
    "compute: everything but S3": lambda t: _compute(t, {"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}),
    "compute: objects, elsewhere": lambda t: _compute(t, _if(t, NOTHING, _allow("s3:GetObject", "*"))),
    "compute: a policy of its own elsewhere": lambda t: t["Resources"][compute_roles(t)[0]]["Properties"].update(
        Policies=[_if(t, NOTHING, _policy(_allow("s3:GetObject", "*")))]
    ),
    "compute: it may attach policies": lambda t: _compute(t, _allow("iam:At*", "*")),
    "compute: a bucket policy for it": lambda t: _bucket_policy(
        lambda t: {"AWS": {"Fn::GetAtt": [compute_roles(t)[0], "Arn"]}}
    )(t),
}  # fmt: skip


def _allows_document(template: Template) -> list[Body]:
    return _document_of(template, _keyed(template))


def _not_principal(statement: Body) -> None:
    del statement["Principal"]
    statement["NotPrincipal"] = {"AWS": "arn:aws:iam::999999999999:root"}


def _claim(claim: str, operator: str, value: Any) -> Change:
    """Return a change that compares a claim of the token in another way."""

    def change(template: Template) -> None:
        for statement in trust(template):
            block = statement["Condition"]
            found = [(o, k) for o, keys in block.items() for k in keys if k.endswith(f":{claim}")]
            for old, key in found:
                del block[old][key]
                block.setdefault(operator, {})[key] = value(key) if callable(value) else value

    return change


OIDC_CHANGES: dict[str, Change] = {
    "the subject compared with itself": _claim("sub", "StringEquals", lambda key: f"${{{key}}}"),
    "the audience compared with itself": _claim("aud", "StringEquals", lambda key: f"${{{key}}}"),
    "the subject if there is one": _claim("sub", "StringEqualsIfExists", "orchestrator"),
    "all subjects of none": _claim("sub", "ForAllValues:StringEquals", "orchestrator"),
    "any subject but one": _claim("sub", "StringNotEquals", "orchestrator"),
    "a subject in any letter case": _claim("sub", "StringEqualsIgnoreCase", "orchestrator"),
    "a subject by a pattern": _claim("sub", "StringLike", "orch?strator"),
    "some subject": _claim("sub", "Null", "false"),
}
