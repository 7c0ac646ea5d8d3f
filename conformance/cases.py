"""Every case of the suite for sources, for `from conformance.cases import *` in a test module."""

from conformance.source_manners import *  # noqa: F403
from conformance.source_reading import *  # noqa: F403
from conformance.source_trouble import *  # noqa: F403
