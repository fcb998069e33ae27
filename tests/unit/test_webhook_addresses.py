"""Where webhooks may go: no private address in any disguise."""

from ipaddress import ip_address

import pytest

from core.notifications.addresses import literal, may_reach, read_networks, read_url

REFUSED = """
    0.0.0.0 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.0.1 169.254.169.254 172.16.0.1
    172.31.255.255 192.0.0.170 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.7 203.0.113.9 224.0.0.1
    239.255.255.250 240.0.0.1 255.255.255.255
    :: ::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::8.8.8.8 64:ff9b::7f00:1 64:ff9b::8.8.8.8 64:ff9b:1::1 100::1 2001::1
    2001:db8::1 2002:7f00:1:: 2002:808:808:: 3fff::1 fc00::1 fd12:3456::1 fe80::1 fec0::1 ff02::1 4000::1
"""
REACHED = "1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1 192.0.1.1 2606:4700::1111 2a00:1450::1"


@pytest.mark.parametrize("address", REFUSED.split())
def test_refused(address):
    assert not may_reach(ip_address(address))


@pytest.mark.parametrize("address", REACHED.split())
def test_reached(address):
    assert may_reach(ip_address(address))


def test_networks_that_the_installation_allows_and_no_others():
    allowed = read_networks("10.1.0.0/16, fd00:1::/32")

    assert may_reach(ip_address("10.1.2.3"), allowed)
    assert may_reach(ip_address("fd00:1::5"), allowed)
    assert not may_reach(ip_address("10.2.0.1"), allowed)
    assert not may_reach(ip_address("::ffff:10.1.2.3"), allowed)
    with pytest.raises(ValueError):
        read_networks("10.1.0.1/16")


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "header"),
    [
        ("https://example.com", "example.com", 443, "/", "example.com"),
        ("https://example.com:443/a?b=c", "example.com", 443, "/a?b=c", "example.com"),
        ("http://example.com:8080/a", "example.com", 8080, "/a", "example.com:8080"),
        ("https://bücher.example/x", "xn--bcher-kva.example", 443, "/x", "xn--bcher-kva.example"),
        ("http://[2606:4700::1111]:8080/", "2606:4700::1111", 8080, "/", "[2606:4700::1111]:8080"),
    ],
)
def test_what_a_url_says(url, host, port, path, header):
    target = read_url(url)

    assert (target.host, target.port, target.path, target.host_header) == (host, port, path, header)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/hooks",
        "ftp://example.com/",
        "file:///etc/passwd",
        "https://",
        "https://user:secret@example.com/",
        "https://user@example.com/",
        "https://@example.com/",
        "https://example.com/#part",
        "https://example.com:22/",
        "https://example.com:70000/",
        "https://example.com/a b",
        "https://example.com/\r\nHost: other",
        "https://example.com\\@other/",
        "https://example.com/ü",
        "https://" + "a" * 64 + ".example/",
        "https://example.com/" + "a" * 2048,
    ],
)
def test_what_is_no_address_of_a_web_server(url):
    with pytest.raises(ValueError):
        read_url(url)


def test_only_plain_spellings_of_addresses_are_addresses():
    assert str(literal("127.0.0.1")) == "127.0.0.1"
    assert literal("127.1") is None  # a name, whose addresses are checked when it is looked up
    assert literal("example.com") is None
