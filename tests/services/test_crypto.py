"""Credentials at rest: unreadable without the site's key, still readable while a key is being replaced."""

import pytest
from django.test import override_settings

from core.crypto import CredentialUnreadable, decrypt, encrypt


def test_what_is_encrypted_can_be_read_again_and_does_not_show_the_text():
    token = encrypt("sk_test_123")
    assert "sk_test" not in token
    assert decrypt(token) == "sk_test_123"
    assert encrypt("sk_test_123") != token


@override_settings(CREDENTIALS_KEYS=["old"])
def test_a_former_key_still_reads_until_the_credential_is_entered_again():
    token = encrypt("whsec_1")
    with override_settings(CREDENTIALS_KEYS=["new", "old"]):
        assert decrypt(token) == "whsec_1"
        entered_again = encrypt(decrypt(token))
    with override_settings(CREDENTIALS_KEYS=["new"]):
        assert decrypt(entered_again) == "whsec_1"
        with pytest.raises(CredentialUnreadable, match="former value"):
            decrypt(token)


@override_settings(CREDENTIALS_KEYS=[], SECRET_KEY="new", SECRET_KEY_FALLBACKS=["only-for-tests"])
def test_without_a_key_of_its_own_the_secret_key_and_its_fallbacks_serve():
    with override_settings(SECRET_KEY="only-for-tests", SECRET_KEY_FALLBACKS=[]):
        token = encrypt("sk_test_123")
    assert decrypt(token) == "sk_test_123"
