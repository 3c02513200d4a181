"""EksPods: the pods that agent code runs in, by cluster, namespace and service account, and no others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from session_scoping.constructs.cdk.stack_context import has_wildcard, is_token
from session_scoping.constructs.cdk.statements import Conditions
from session_scoping.constructs.minting.trusted_issuer import AnyProvider, TrustedIssuer
from session_scoping.contract.errors import InvalidInputError

# As text, so that EKS is not loaded for its types.
AnyCluster: TypeAlias = "cdk.aws_eks.ICluster | cdk.aws_eks_v2.ICluster | cdk.aws_eks.CfnCluster | str"

POD_SERVICE = "pods.eks.amazonaws.com"

# Source: EKS API_CreateCluster, name.
_CLUSTER_ARN = re.compile(r"arn:[^:*?]+:eks:[^:*?]+:[^:*?]+:cluster/[0-9A-Za-z][A-Za-z0-9_-]{0,99}")
# Source: Kubernetes, "Object Names and IDs": a namespace is a DNS label, a service account a DNS subdomain.
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_NAMESPACE = re.compile(_LABEL)
_SERVICE_ACCOUNT = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*")


@dataclass(frozen=True)
class EksPods:
    """
    The pods of one service account, in one namespace of one EKS cluster. Build it with `pod_identity` or `irsa`.

    NOT PROTECTED: a principal that may create pods in the namespace, or open a shell in one, runs under the role. On
    a node whose metadata service pods can reach, a pod gets the node's role as well.

    Attributes:
        conditions: What the trust policy demands.
        provider_arn: The cluster's IAM OIDC provider. None: EKS Pod Identity makes the sessions.
    """

    conditions: Conditions
    provider_arn: str | None = None

    @classmethod
    def pod_identity(cls, cluster: AnyCluster, *, namespace: str, service_account: str) -> EksPods:
        """
        Return pods that get their credentials from EKS Pod Identity.

        The trust that AWS documents as standard admits every association of the account's clusters; this one demands
        cluster, namespace and service account. The association must leave its session tags on (the default).

        Args:
            cluster: The L2 or L1 cluster, an import, or its ARN.
            namespace: The one Kubernetes namespace.
            service_account: The one service account in it.

        Raises:
            InvalidInputError: The ARN is not that of one cluster, or a name is a pattern or none of Kubernetes'.

        Source:
            EKS guide, pod-id-role ("Setting Conditions") and pod-id-abac: EKS sets these tags on each session.
        """
        arn = _cluster_arn(cluster)
        _check("namespace", namespace, _NAMESPACE)
        _check("service_account", service_account, _SERVICE_ACCOUNT)
        named = {
            "eks-cluster-arn": arn,
            "kubernetes-namespace": namespace,
            "kubernetes-service-account": service_account,
        }
        return cls({"StringEquals": {f"aws:RequestTag/{key}": value for key, value in named.items()}})

    @classmethod
    def irsa(
        cls,
        provider: AnyProvider,
        *,
        namespace: str,
        service_account: str,
        issuer: str | None = None,
        audience: str = "sts.amazonaws.com",
    ) -> EksPods:
        """
        Return pods that get their credentials with their service account's token (IRSA).

        Their sessions carry no tags. The cluster must exist: its issuer begins condition keys, where CloudFormation
        takes no reference.

        Args:
            provider: The IAM OIDC provider of the cluster.
            namespace: The one Kubernetes namespace.
            service_account: The one service account in it.
            issuer: The cluster's issuer, `https://oidc.eks.<region>.amazonaws.com/id/<id>`. Default: what the
                provider's literal ARN says.
            audience: The one `aud` of the projected tokens. Default: `sts.amazonaws.com`, as EKS projects them.

        Raises:
            InvalidInputError: See `Minting.by_web_identity`; also a name that is a pattern or none of Kubernetes'.

        Source:
            EKS guide, associate-service-account-role: `sub` is `system:serviceaccount:<namespace>:<name>`.
        """
        _check("namespace", namespace, _NAMESPACE)
        _check("service_account", service_account, _SERVICE_ACCOUNT)
        subject = f"system:serviceaccount:{namespace}:{service_account}"
        identity = TrustedIssuer.of(provider, issuer=issuer, audience=audience, subject=subject)
        return cls(identity.conditions(), identity.provider_arn)

    @property
    def pass_tags(self) -> bool:
        """Whether their sessions carry the six transitive tags of EKS Pod Identity."""
        return self.provider_arn is None

    def principal(self) -> iam.PrincipalBase:
        """Return the principal of the role's trust policy."""
        if self.provider_arn is not None:
            # No sts:TagSession: a token that names tags is refused.
            return iam.FederatedPrincipal(self.provider_arn, self.conditions, "sts:AssumeRoleWithWebIdentity")
        return iam.ServicePrincipal(POD_SERVICE).with_conditions(self.conditions).with_session_tags()


def _cluster_arn(cluster: AnyCluster) -> str:
    named = (getattr(cluster, name, None) for name in ("cluster_arn", "attr_arn"))
    arn = cluster if isinstance(cluster, str) else next((text for text in named if isinstance(text, str)), "")
    if not is_token(arn) and not _CLUSTER_ARN.fullmatch(arn):
        raise InvalidInputError(
            "the pods are not those of one cluster",
            got="an ARN with a wildcard" if has_wildcard(arn) else "another resource or form",
            expected="the cluster, or arn:<partition>:eks:<region>:<account>:cluster/<name>",
            why="a cluster of the same namespace elsewhere in the account would reach the role",
            fix="pass the cluster, or its exact ARN",
        )
    return arn


def _check(name: str, text: str, form: re.Pattern[str]) -> None:
    # Compared with StringEquals, so a value known at deployment only can be no pattern either.
    if not isinstance(text, str) or not (is_token(text) or form.fullmatch(text)):
        raise InvalidInputError(
            f"`{name}` is not one name of Kubernetes",
            got=f"`{text}`" if isinstance(text, str) else f"a {type(text).__name__}",
            expected="its exact name: small letters, digits and `-`"
            + (", parts joined by `.`" if form is _SERVICE_ACCOUNT else ", at most 63"),
            why="pods nobody named would reach the role, or none at all",
            fix="name the one the pods run under",
        )
