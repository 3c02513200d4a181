"""Random deployments, the same for the same seed."""

from tests.support.deployments.design import Deployment, Dice, SessionDesign, arn, document, statement
from tests.support.deployments.grants import grant_session
from tests.support.deployments.principals import add_agents, add_others
from tests.support.deployments.stores import add_key, add_store
from tests.support.deployments.trusts import session_trust

_TAGS = (("user_id", "task_id"), ("task_id",), ("tenant", "job"), ("user_id", "task_id"))
_ROWS = ("{last}", "X#{last}", "{first}#{last}", "{first}-{last}", "{first}:{last}", "{first}{last}")
_OBJECTS = ("traces/{first}/{last}/", "{first}/{last}/", "{first}-{last}/", "a/{last}/", "traces/{first}/b/{last}/")
_RISKY = ("{first}{last}", "{first}-{last}", "{first}-{last}/")


def random_deployment(seed: int) -> Deployment:
    """Return the deployment of a seed."""
    dice = Dice(seed)
    found = Deployment(seed, masked=dice.chance(0.3))
    stores = ["Table0", "Bucket0", *(["Table1"] if dice.chance(0.3) else [])]
    if dice.chance(0.3):
        stores.remove(dice.choice(["Table0", "Bucket0"]))
    found.agents = ["Agent0", *(["Agent1"] if dice.chance(0.25) else [])]
    found.brokers = ["Broker"] if dice.chance(0.3) else []
    dice.begin("formats")
    found.sessions = _designs(dice, stores)
    dice.begin("stores")
    key = add_key(dice, found) if dice.chance(0.15) else None
    for store in stores:
        add_store(dice, found, store, key)
    for design in found.sessions:
        dice.begin("trust")
        trust = session_trust(dice, design, found.brokers or found.agents)
        more = {"Tags": [{"Key": dice.choice(design.tags), "Value": "own"}]} if dice.chance(0.08) else {}
        named = {"RoleName": f"named-{design.role.lower()}"} if dice.chance(0.2) else {}
        found.add(design.role, "AWS::IAM::Role", AssumeRolePolicyDocument=trust, **more, **named)
        dice.begin("grants")
        grant_session(dice, found, design)
    dice.begin("others")
    add_others(dice, found, stores)
    dice.begin("agents")
    add_agents(dice, found, stores)
    _add_escape(dice, found)
    return found


def _designs(dice: Dice, stores: list[str]) -> list[SessionDesign]:
    found: list[SessionDesign] = []
    for number in range(dice.choice([1, 1, 1, 2, 2, 3])):
        tags = dice.choice(_TAGS)
        mine = stores if not number else dice.sample(stores, dice.randint(1, len(stores)))
        formats = {store: _format(dice, tags, store, number) for store in mine}
        found.append(SessionDesign(f"Session{number}", tags, formats))
    return found


def _format(dice: Dice, tags: tuple[str, ...], store: str, number: int) -> str:
    """Return the key format of a store; a second session role's begins with a word of its own, mostly."""
    table = store.startswith("Table")
    choices = [one for one in (_ROWS if table else _OBJECTS) if one not in _RISKY or dice.slip()]
    if len(tags) == 1:
        choices = [one for one in choices if "{first}" not in one]
    found = dice.choice(choices).replace("{first}", "{" + tags[0] + "}").replace("{last}", "{" + tags[-1] + "}")
    return f"R{number}{'#' if table else '/'}{found}" if number and not dice.slip() else found


def _add_escape(dice: Dice, deployment: Deployment) -> None:
    """Let a session become another role, or change one, now and then."""
    others = [name for name in deployment.resources if name.startswith("Other")]
    if not (others and dice.slip()):
        return
    properties = deployment.resources[deployment.sessions[0].role]["Properties"]
    one = statement("Allow", "sts:AssumeRole", arn(dice.choice(others)))
    properties["Policies"].append({"PolicyName": "escape", "PolicyDocument": document(one)})
