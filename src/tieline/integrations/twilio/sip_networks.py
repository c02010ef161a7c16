"""Where Twilio's SIP comes from, for trunks that take `<Dial><Sip>`. The one list: docs/reference/twilio.md shows it.

These addresses are those of all of Twilio's customers: a trunk that goes by them alone would take anybody's calls, so
one that is made from this list has a SIP user and password, too.
"""

from __future__ import annotations

from tieline.model.record import Record

SOURCE = "https://www.twilio.com/docs/sip-trunking/ip-addresses"
"""Where Twilio publishes them: its regional signalling gateways, all of which it asks to be let in."""


class SipNetwork(Record):
    """One of Twilio's regions and the addresses that it signals from."""

    place: str
    network: str


SIP_NETWORKS = (
    SipNetwork(place="North America, Virginia", network="54.172.60.0/30"),
    SipNetwork(place="North America, Oregon", network="54.244.51.0/30"),
    SipNetwork(place="Europe, Ireland", network="54.171.127.192/30"),
    SipNetwork(place="Europe, Frankfurt", network="35.156.191.128/30"),
    SipNetwork(place="Asia Pacific, Tokyo", network="54.65.63.192/30"),
    SipNetwork(place="Asia Pacific, Singapore", network="54.169.127.128/30"),
    SipNetwork(place="Asia Pacific, Sydney", network="54.252.254.64/30"),
    SipNetwork(place="South America, São Paulo", network="177.71.206.192/30"),
)
