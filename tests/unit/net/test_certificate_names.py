"""Whom a certificate is for."""

import pytest

from tieline.net.certificate_names import certifies


@pytest.mark.parametrize(
    ("kind", "value", "name", "good"),
    [
        ("DNS", "sip.example.com", "sip.example.com", True),
        ("DNS", "SIP.Example.com.", "sip.example.COM.", True),
        ("DNS", "sip.example.com", "example.com", False),
        ("DNS", "*.example.com", "sip.example.com", True),
        ("DNS", "*.example.com", "a.sip.example.com", False),
        ("DNS", "*.example.com", "example.com", False),
        ("DNS", "*.example.com", ".example.com", False),
        ("DNS", "*.com", "example.com", False),
        ("DNS", "s*.example.com", "sip.example.com", False),
        ("DNS", "192.0.2.1", "192.0.2.1", True),
        ("URI", "sip:example.com", "example.com", True),
        ("URI", "sip:Example.com;transport=tls", "example.com", True),
        ("URI", "sip:alice@example.com", "example.com", False),
        ("URI", "https:example.com", "example.com", False),
        ("IP Address", "192.0.2.1", "192.0.2.1", True),
        ("IP Address", "2001:DB8:0:0:0:0:0:1", "[2001:db8::1]", True),
        ("IP Address", "192.0.2.1", "192.0.2.2", False),
        ("IP Address", "192.0.2.1", "sip.example.com", False),
        ("email", "example.com", "example.com", False),
    ],
)
def test_names(kind: str, value: str, name: str, good: bool) -> None:
    assert certifies({"subjectAltName": (("DNS", "other.example"), (kind, value))}, name) is good


def test_a_certificate_without_names_is_nobodys() -> None:
    assert not certifies({}, "example.com")
    assert not certifies({"subject": ((("commonName", "example.com"),),)}, "example.com")
