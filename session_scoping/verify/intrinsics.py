"""CloudFormation intrinsics, evaluated as far as a template allows; the rest stays symbolic."""

from session_scoping.verify import compositions as compositions
from session_scoping.verify.evaluating import items_of, text_of
from session_scoping.verify.references import arn_of, name_of, partition_of

__all__ = ["arn_of", "items_of", "name_of", "partition_of", "text_of"]
