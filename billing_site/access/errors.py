"""What can go wrong with API keys."""

from core.errors import InvalidInput


class BadKeySettings(InvalidInput):
    """An API key can't be made with these settings."""

    default_code = "bad_api_key_settings"
