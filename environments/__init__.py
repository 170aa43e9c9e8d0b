"""The environments of this repository, each one file; add yours as one import and one name."""

from ultracluster.spec.loading import verified
from ultracluster.spec.problem import collecting

with collecting() as _collection:
    from environments.dev import DEV
    from environments.staging import STAGING
    from environments.ultracluster import ULTRACLUSTER

ENVIRONMENTS = verified(_collection, (DEV, STAGING, ULTRACLUSTER))
