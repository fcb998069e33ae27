"""Decides which engine keeps usage. All that writes or reads usage goes through it."""

from typing import Final

from entitlements.metering.store.interface import UsageStore
from entitlements.metering.store.postgresql import POSTGRESQL

USAGE_STORE: Final[UsageStore] = POSTGRESQL
