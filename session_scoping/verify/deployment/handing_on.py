"""Texts that read rows of tenants and hand them on: state machines and documents whose steps are spelled out."""

import re

from session_scoping.verify.deployment.api_calls import words_of
from session_scoping.verify.deployment.copying import copied
from session_scoping.verify.intrinsics.mentions import Mentions
from session_scoping.verify.intrinsics.scope import Scope
from session_scoping.verify.policies.model import Deployment, Handed, Store

_MANY = {
    "scan", "executestatement", "executetransaction", "batchexecutestatement", "getrecords", "selectobjectcontent",
}  # fmt: skip
"""Calls that answer with what many sessions keep."""
_ONE = {"query", "getitem", "batchgetitem", "transactgetitems", "getobject"}
"""Calls that answer with what they are asked for, which may be one session's."""
_SENDS = {
    "sendmessage", "sendmessagebatch", "publish", "publishbatch", "putevents", "putrecord", "putrecords",
    "putrecordbatch", "sendemail",
}  # fmt: skip
_STARTS = {
    "invoke", "invokefunction", "runtask", "invokeagentruntime", "invokeharness", "startexecution", "submitjob",
    "startbuild", "startjobrun", "invokeagent",
}  # fmt: skip
_WEB = re.compile(r"\bhttp:invoke|\bapigateway:invoke|\bhttps?://(?!sqs\.|queue\.amazonaws|json-schema)[^\"\\]*", re.I)
_ACTIVITY = re.compile(":activity:|:function:")


def notice_handing_on(said: Mentions, scope: Scope, deployment: Deployment, where: str) -> None:
    """Add to the stores that a text reads where it sends what it read; note what it hands the rows of many to."""
    words = words_of(said.text)
    many = bool(words & _MANY) or ("query" in words and "indexname" in words)
    if not many and not words & _ONE:
        return
    named = any(map(said.of, deployment.stores.values()))

    def touches(store: Store) -> bool:
        return store.kind != "key" and (said.of(store) or (not named and said.is_open))

    workloads = frozenset(one.id for one in deployment.workloads if one.id != where and said.of_resource(one.id))
    if many and workloads:
        deployment.handed.append(Handed(where, scope.label(where.rpartition(".")[2]), touches, workloads))
    for place in _places(said, words, scope, where, many=many, known=bool(workloads)):
        deployment.doubt(touches, lambda store, to=place: copied(store, to, scope))  # type: ignore[misc]


def _places(said: Mentions, words: set[str], scope: Scope, where: str, *, many: bool, known: bool) -> list[str]:
    """Return the web addresses and accounts that a text sends to; itself, where it does not say whose a place is."""
    accounts = sorted(set(re.findall(r"(?<!\d)\d{12}(?!\d)", said.text)) - {scope.account})
    web = [match[0] for match in _WEB.finditer(said.text)]
    starts = not known and bool(words & _STARTS or _ACTIVITY.search(said.text))
    sends = bool(words & _SENDS) or starts
    return [*web, *accounts, *([where] if sends and (many or said.may_name_anything) else [])]
