"""Publish to the bus and read from it over HTTP, with nothing but Python's own library.

python over_http.py URL CA CERTIFICATE KEY publish DATASET < records.jsonl
python over_http.py URL CA CERTIFICATE KEY status PATH
python over_http.py URL CA CERTIFICATE KEY read DATASET TOKEN_FILE
"""

from __future__ import annotations

import http.client
import json
import ssl
import sys
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

RECORDS_PER_REQUEST = 100
TRY_AGAIN = {429, 503}


class Door:
    """A connection to the gateway, as one system."""

    def __init__(self, url: str, ca: str, certificate: str, key: str) -> None:
        """Prepare; the first request connects."""
        place, context = urlsplit(url), ssl.create_default_context(cafile=ca)
        context.load_cert_chain(certificate, key)
        assert place.hostname is not None
        self._connection = http.client.HTTPSConnection(
            place.hostname, place.port, context=context, timeout=60
        )

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Any:  # noqa: ANN401
        """Ask until there is an answer; the same request may be sent again."""
        text = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        while True:
            try:
                self._connection.request(method, path, text, named)
                answer = self._connection.getresponse()
                content = json.loads(answer.read())
            except (OSError, http.client.HTTPException):
                self._connection.close()
                time.sleep(1)
                continue
            if answer.status not in TRY_AGAIN:
                break
            time.sleep(int(answer.headers["Retry-After"]))
        if answer.status >= 400:  # noqa: PLR2004 - HTTP's own boundary
            sys.exit(json.dumps(content, ensure_ascii=False, indent=2))
        return content


def publish(door: Door, dataset: str) -> None:
    """Send the records of standard input, and print where each lies."""
    records = [json.loads(line) for line in sys.stdin]
    for start in range(0, len(records), RECORDS_PER_REQUEST):
        part = {"records": records[start : start + RECORDS_PER_REQUEST]}
        receipt = door.ask(
            "POST",
            f"/records/{dataset}",
            part,
            Content_Type="application/json",
            Idempotency_Key=str(uuid.uuid4()),
        )
        for taken in receipt["records"]:
            print(json.dumps(taken))  # noqa: T201 - the result


def read(door: Door, dataset: str, token_file: Path) -> None:
    """Print what is new, and keep the token once it is printed; ends where nothing is."""
    token = token_file.read_text() if token_file.exists() else ""
    while True:
        after = f"&after={quote(token)}" if token else ""
        page = door.ask("GET", f"/feeds/{dataset}?wait_s=1{after}")
        for record in page["records"]:
            print(json.dumps(record, ensure_ascii=False))  # noqa: T201 - the result
        token = page["next"]
        token_file.write_text(token)
        if not page["records"]:
            return


def main() -> None:
    """Do what the command line says."""
    *place, what, name = sys.argv[1:7]
    door = Door(*place)
    if what == "publish":
        publish(door, name)
    elif what == "status":
        print(json.dumps(door.ask("GET", name), ensure_ascii=False))  # noqa: T201 - the result
    else:
        read(door, name, Path(sys.argv[7]))


if __name__ == "__main__":
    main()
