"""What sessions and compute roles alike may do with models, and the near misses."""

from collections.abc import Iterator

from tests.support.matrix import INVOKE, MODELS, Case
from tests.support.world import ACCOUNT


def _model(role: str, name: str, action: str, arn: str, profile: str | None, *, allowed: bool, **tags: str) -> Case:
    context = {"bedrock:InferenceProfileArn": profile} if profile else {}
    return Case(f"{action} {name}", role, action, arn, allowed, context, tags, guarded=True)


def _profile(model: str, geo: str = "us", account: str = ACCOUNT, region: str = "us-east-1") -> str:
    return f"arn:aws:bedrock:{region}:{account}:inference-profile/{geo}.{model}"


def model_needs(role: str, tags: dict[str, str]) -> Iterator[Case]:
    """Yield each model by its profile, and as the profile routes to it."""
    for model in MODELS:
        for action in INVOKE:
            yield _model(role, f"profile of {model}", action, _profile(model), None, allowed=True, **tags)
            for region in ("us-east-1", "us-west-2"):
                arn = f"arn:aws:bedrock:{region}::foundation-model/{model}"
                yield _model(role, f"{model} {region}", action, arn, _profile(model), allowed=True, **tags)


def model_misses(role: str, tags: dict[str, str]) -> Iterator[Case]:
    """
    Yield other models, profiles and ways to a model.

    Not a model through another model's profile: a profile of a geography routes to the model in its own name alone.
    """
    model = MODELS[0]
    bare = f"arn:aws:bedrock:us-east-1::foundation-model/{model}"
    other = "arn:aws:bedrock:us-east-1::foundation-model/meta.llama3-70b-instruct-v1:0"
    for name, arn, profile in (
        ("bare model", bare, None),
        ("model through another geography", bare, _profile(model, "eu")),
        ("model through another account's profile", bare, _profile(model, account="999999999999")),
        ("model through an application profile", bare, _profile(model).replace(":inference", ":application-inference")),
        ("model through a geography that begins alike", bare, _profile(model, "us-gov")),
        ("model through a profile of another Region", bare, _profile(model, region="us-west-2")),
        ("unlisted model through a listed profile", other, _profile(model)),
        ("unlisted profile", _profile("meta.llama3-70b-instruct-v1:0"), None),
        ("profile of another geography", _profile(model, "global"), None),
        ("profile of another account", _profile(model, account="999999999999"), None),
    ):
        for action in INVOKE:
            yield _model(role, name, action, arn, profile, allowed=False, **tags)
    action = "bedrock:GetInferenceProfile"
    yield _model(role, "reading a profile", action, _profile(model), None, allowed=False, **tags)
    yield _model(role, "reading a model", "bedrock:GetFoundationModel", bare, _profile(model), allowed=False, **tags)
