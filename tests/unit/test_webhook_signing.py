"""Signatures of webhooks, held against the Standard Webhooks scheme's own example and against openssl."""

import subprocess

import pytest

from core.notifications.signing import is_secret, new_secret, signature

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_example_of_the_scheme():
    signed = signature(
        SECRET, message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330, body=b'{"test": 2432232314}'
    )

    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_openssl_comes_to_the_same(tmp_path):
    body = '{"name":"Łódź"}'.encode()
    key = "31f290f6bf06298aab4f08d43c3f082cf648a362da2da4b0"
    (tmp_path / "signed").write_bytes(b"01ABC.1700000000." + body)
    command = ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{key}", "-binary"]
    digest = subprocess.run([*command, str(tmp_path / "signed")], capture_output=True, check=True).stdout
    encoded = subprocess.run(["openssl", "base64", "-A"], input=digest, capture_output=True, check=True).stdout

    assert signature(SECRET, message_id="01ABC", timestamp=1700000000, body=body) == "v1," + encoded.decode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SECRET, True),
        ("whsec_" + "A" * 32, True),  # 24 bytes
        ("whsec_" + "A" * 88, False),  # 66
        ("whsec_" + "A" * 28, False),  # 21
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", False),
        ("whsec_not base64 at all, is it?!", False),
        ("whsec_ÄÖÜ", False),
        ("", False),
    ],
)
def test_what_is_a_secret(text, said):
    assert is_secret(text) is said


def test_drawn_secrets_are_secrets_and_differ():
    assert is_secret(new_secret())
    assert new_secret() != new_secret()
