"""Asks Get Handoff once and writes status and body: SIPp starts it the moment it sees a BYE."""

import sys
import urllib.error
import urllib.request
from pathlib import Path

url, key, target = sys.argv[1:]
try:
    with urllib.request.urlopen(
        urllib.request.Request(url, headers={"x-api-key": key}), timeout=20
    ) as answer:
        text = f"{answer.status} {answer.read().decode()}"
except urllib.error.HTTPError as error:
    text = f"{error.code} {error.read().decode()}"
Path(target).write_text(text, encoding="utf-8")
