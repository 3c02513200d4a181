"""The example of agents on EKS: it synthesizes under its own flags, and the verifier proves it in every form."""

import json
from typing import Any

import aws_cdk as cdk
import pytest

from examples.eks import app as example
from session_scoping.verify import verify
from tests.support import ROOT, stacks

FLAGS = json.loads((ROOT / "examples/eks/cdk.json").read_text())["context"]


def made(**context: str) -> dict[str, Any]:
    """Return the example's template."""
    app = cdk.App(context={**FLAGS, **context})
    example.build(app)
    (template,) = stacks.synth(app).values()
    return dict(template)


@pytest.mark.parametrize("pods", ["podIdentity", "irsa"])
@pytest.mark.parametrize("minting", ["credentialBroker", "compute"])
def test_the_example_is_proved(pods: str, minting: str) -> None:
    """Both ways to the compute role, and both ways of minting."""
    template = made(pods=pods, minting=minting)
    assert [one for one in verify(template).results if one.status.name != "PROVED"] == []
    associations = stacks.resources(template, "AWS::EKS::PodIdentityAssociation")
    assert len(associations) == (pods == "podIdentity")
    text = json.dumps(stacks.trust(template, "SessionRole"))
    assert ("kubernetes-pod-uid" in text) == (pods == "podIdentity" and minting == "compute")


def test_an_unknown_switch_is_refused() -> None:
    """A misspelt switch would deploy something else."""
    for context in ({"pods": "kiam"}, {"minting": "nobody"}):
        with pytest.raises(ValueError, match="expected `"):
            made(**context)
