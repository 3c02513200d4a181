"""CloudFormation intrinsics, evaluated as far as a template allows; the rest stays symbolic."""

from session_scoping.verify.intrinsics import exports as exports
from session_scoping.verify.intrinsics.evaluating import items_of, text_of
from session_scoping.verify.intrinsics.references import arn_of, name_of, partition_of

__all__ = ["arn_of", "items_of", "name_of", "partition_of", "text_of"]
