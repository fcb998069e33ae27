"""API keys and remembered answers."""

from .api_key import ApiKey
from .idempotent_response import IdempotentResponse

__all__ = ["ApiKey", "IdempotentResponse"]
