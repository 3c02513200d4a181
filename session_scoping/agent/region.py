"""The Region of a task: one rule for its clients and for the STS endpoint."""

import os

import botocore.session


def set_region(session: botocore.session.Session, region_name: str | None) -> None:
    """
    Give a session its Region: the argument, AWS_DEFAULT_REGION, AWS_REGION, then what botocore reads: the profile's.

    botocore alone does not read AWS_REGION, which Lambda sets.
    """
    # The global STS endpoint is one Region far away: it fails with that Region, and its quota is shared.
    session.set_config_variable("sts_regional_endpoints", "regional")
    region = region_name or os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION")
    if region:
        session.set_config_variable("region", region)
