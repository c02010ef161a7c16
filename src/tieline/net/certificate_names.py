"""Whom a certificate is for: the names of its subjectAltName against the name that we called (RFC 5922 section 7)."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any


def certifies(certificate: Mapping[str, Any], name: str) -> bool:
    """Whether `certificate`, as `ssl.SSLSocket.getpeercert` gives it, is for the host `name`.

    Good are `sip:` URIs without a user part, DNS names, and for an address the IP addresses. A wildcard may stand for
    the whole leftmost label: RFC 5922 would have none, carriers use them all the same. The common name is not read.
    """
    wanted = name.lower().rstrip(".").strip("[]")
    return any(_matches(kind, value, wanted) for kind, value in certificate.get("subjectAltName", ()))


def _matches(kind: str, value: str, wanted: str) -> bool:
    if kind == "IP Address":
        return _same_address(value, wanted)
    shown = value.lower().rstrip(".")
    if kind == "URI":
        return shown.startswith("sip:") and shown[4:].partition(";")[0] == wanted
    if kind != "DNS":
        return False
    if shown.startswith("*.") and shown.count(".") > 1:
        return wanted.partition(".")[2] == shown[2:] and not wanted.startswith(".")
    return shown == wanted


def _same_address(value: str, wanted: str) -> bool:
    try:
        return ip_address(value.strip()) == ip_address(wanted)
    except ValueError:
        return False
