"""The Messaging API of one account: services, numbers, campaigns, brand and toll-free verification, behind Prism."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.integration.twilio_api.prism import behind_prism
from tests.integration.twilio_api.server import ACCOUNT, TOKEN

DESK, SHOP = "MG" + "0a" * 16, "MG" + "0b" * 16
BRAND = "BN" + "0d" * 16
US, PENDING, ALONE, FREE, LONDON = (
    "+12025550143",
    "+12025550144",
    "+12025550145",
    "+18005550199",
    "+442071838750",
)
"""Numbers whose campaign failed, is in review, one in no service, one toll-free, and one of another country."""

AT = "2026-03-01T12:00:00Z"
_URL = "https://messaging.twilio.com/v1"


def number_sid(number: str) -> str:
    """The SID of one of them."""
    return f"PN{(US, PENDING, ALONE, FREE, LONDON).index(number):032x}"


def _common(sid: str) -> dict[str, Any]:
    return {
        "sid": sid,
        "account_sid": ACCOUNT,
        "date_created": AT,
        "date_updated": AT,
        "url": f"{_URL}/{sid}",
    }


def _service(sid: str, name: str) -> dict[str, Any]:
    return _common(sid) | {
        "friendly_name": name, "inbound_request_url": None, "inbound_method": "POST", "fallback_url": None,
        "fallback_method": "POST", "status_callback": None, "sticky_sender": True, "mms_converter": True,
        "smart_encoding": True, "scan_message_content": "inherit", "fallback_to_long_code": True,
        "area_code_geomatch": True, "synchronous_validation": False, "validity_period": 36000, "links": {},
        "usecase": "undeclared", "us_app_to_person_registered": False, "use_inbound_webhook_on_number": True,
    }  # fmt: skip


def _number(service: str, number: str) -> dict[str, Any]:
    return _common(number_sid(number)) | {
        "service_sid": service, "phone_number": number, "country_code": "US", "capabilities": ["SMS", "Voice"],
    }  # fmt: skip


def _campaign(service: str, status: str, *codes: int) -> dict[str, Any]:
    errors = [
        {"error_code": code, "description": "as the carriers have it", "fields": ["PRIVACY_POLICY_URL"],
         "url": f"https://www.twilio.com/docs/api/errors/{code}"}
        for code in codes
    ]  # fmt: skip
    return _common(f"QE{service[2:]}") | {
        "brand_registration_sid": BRAND, "messaging_service_sid": service, "description": "Calls back to customers",
        "message_samples": ["Northwind: your order is here."], "us_app_to_person_usecase": "CUSTOMER_CARE",
        "has_embedded_links": False, "has_embedded_phone": False, "subscriber_opt_in": True, "age_gated": False,
        "direct_lending": False, "campaign_status": status, "campaign_id": None, "is_externally_registered": False,
        "rate_limits": None, "message_flow": "Asked on the phone.", "opt_in_message": None, "opt_out_message": None,
        "help_message": None, "opt_in_keywords": [], "opt_out_keywords": ["STOP"], "help_keywords": ["HELP"],
        "mock": False, "errors": errors,
    }  # fmt: skip


def _brand() -> dict[str, Any]:
    return _common(BRAND) | {
        "customer_profile_bundle_sid": "BU" + "0e" * 16, "a2p_profile_bundle_sid": "BU" + "0f" * 16,
        "brand_type": "STANDARD", "status": "APPROVED", "tcr_id": "BXXXXXX", "failure_reason": None, "errors": [],
        "brand_score": 42, "brand_feedback": [], "identity_status": "VERIFIED", "russell_3000": False,
        "government_entity": False, "tax_exempt_status": "501c3", "skip_automatic_sec_vet": False, "mock": False,
        "links": {},
    }  # fmt: skip


def _toll_free() -> dict[str, Any]:
    return _common("HH" + "0c" * 16) | {
        "customer_profile_sid": None, "trust_product_sid": None, "regulated_item_sid": None,
        "business_name": "Northwind", "use_case_categories": ["CUSTOMER_CARE"], "use_case_summary": "Call-backs",
        "production_message_sample": "Northwind: your order is here.", "opt_in_image_urls": [], "opt_in_type": "VERBAL",
        "message_volume": "10", "tollfree_phone_number_sid": number_sid(FREE), "status": "TWILIO_REJECTED",
        "rejection_reason": "The website cannot be reached.", "error_code": 30891, "edit_allowed": True,
        "edit_expiration": AT, "resource_links": {}, "external_reference_id": None,
    }  # fmt: skip


ROWS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "/v1/Services": ("services", [_service(DESK, "Desk"), _service(SHOP, "Shop")]),
    f"/v1/Services/{DESK}/PhoneNumbers": ("phone_numbers", [_number(DESK, US)]),
    f"/v1/Services/{SHOP}/PhoneNumbers": ("phone_numbers", [_number(SHOP, PENDING)]),
    f"/v1/Services/{DESK}/Compliance/Usa2p": ("compliance", [_campaign(DESK, "FAILED", 30908)]),
    f"/v1/Services/{SHOP}/Compliance/Usa2p": ("compliance", [_campaign(SHOP, "IN_PROGRESS")]),
    "/v1/a2p/BrandRegistrations": ("data", [_brand()]),
    "/v1/Tollfree/Verifications": ("verifications", [_toll_free()]),
}
"""What the account's lists hold, with the key that each stands under."""


@contextmanager
def messaging_api(folder: Path, *, hidden: frozenset[str] = frozenset()) -> Iterator[str]:
    """The URL of the API. The lists at the paths `hidden` may not be read with these credentials."""
    known = f"Basic {b64encode(f'{ACCOUNT}:{TOKEN}'.encode()).decode()}"

    def answer(method: str, path: str, authorization: str, fields: dict[str, str]) -> tuple[int, Any]:
        if authorization != known:
            return 401, {"code": 20003, "message": "Authenticate", "more_info": "", "status": 401}
        found = None if path in hidden else ROWS.get(path)
        if method != "GET" or found is None:
            return 403, {"code": 20403, "message": "no", "more_info": "", "status": 403}
        key, rows = found
        first = f"{_URL}{path.removeprefix('/v1')}?PageSize=50&Page=0"
        meta = {
            "page": 0, "page_size": int(fields.get("PageSize", "50")), "first_page_url": first, "url": first,
            "previous_page_url": None, "next_page_url": None, "key": key,
        }  # fmt: skip
        return 200, {"meta": meta, key: rows}

    with behind_prism(folder, "twilio_messaging_v1.json", answer, lambda: None) as url:
        yield url
