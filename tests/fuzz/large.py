"""Bodies of any size that cost much memory or time; `python -m tests.fuzz.large NAME MB` measures one."""

import json
import resource
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from pipelines.landing.calls import Call
from pipelines.landing.landing import Landing
from pipelines.settings import WarehouseSettings
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.loading.load import load

_REPORT = (
    b'{"missionNum":"0A1B2C3000000001","destId":"13800138000","sendStatus":"SUCCESS","receiveStatus":"SUCCESS",'
    b'"receiveRealStatus":"DELIVRD","batchNum":"0A1B2C3B00000001","statTime":"2026-11-20 12:00:00"}'
)
_XML_REPORT = (
    b"<record><missionNum>0A1B2C3000000001</missionNum><destId>13800138000</destId><sendStatus>SUCCESS</sendStatus>"
    b"<receiveStatus>SUCCESS</receiveStatus><receiveRealStatus>DELIVRD</receiveRealStatus>"
    b"<batchNum>0A1B2C3B00000001</batchNum><statTime>2026-11-20 12:00:00</statTime></record>"
)


def _json(unit: bytes, last: bytes = b"0]}") -> Callable[[int], bytes]:
    """An answer with a list of one repeated value."""
    head = b'{"errorCode":"000000","records":['
    return lambda size: head + (unit + b",") * ((size - len(head)) // (len(unit) + 1)) + last


def _xml(unit: bytes, last: bytes = b"</records></xml>") -> Callable[[int], bytes]:
    head = b"<xml><errorCode>000000</errorCode><records>"
    return lambda size: head + unit * ((size - len(head)) // len(unit)) + last


SHAPES: dict[str, Callable[[int], bytes]] = {
    "reports": _json(_REPORT),
    "reports as XML": _xml(_XML_REPORT),
    "reports in GBK": _json(_REPORT.replace(b"DELIVRD", "空号".encode("gbk"))),
    "reports with raw line breaks": _json(_REPORT.replace(b"DELIVRD", b"DE\nLIVRD")),
    "numbers": _json(b"0"),
    "lists": _json(b"[]"),
    "short texts": _json(b'"abcdef"'),
    "texts": _json(b'"' + b"a" * 30 + b'"'),
    "unknown fields, sloppy": _json(b'{"aaaaaaaaaaaaaaaaaaaaaaaaaa":1}', b'"\n"]}'),
    "one text": lambda size: b'{"errorCode":"000000","errorMsg":"' + b"a" * size + '🙏"}'.encode(),
    "one number": lambda size: b'{"errorCode":"000000","count":' + b"9" * size + b"}",
    "long numbers": _json(b"9" * 4200),
    "nul bytes": lambda size: b"\0" * size,
    "high bytes": lambda size: b"\x81" * size,
    "open brackets": lambda size: b"[" * size,
    "open elements": lambda size: b"<a>" * (size // 3),
    "cut": _json(_REPORT, b""),
    "cut XML": _xml(_XML_REPORT, b""),
    "elements": _xml(b"<a>aaaaaaaaaaaaaaaaaaaaaaaaaaaa</a>"),
    "attributes": lambda size: b"<x><a " + b" ".join(b'b%d=""' % n for n in range(size // 12)) + b"/></x>",
    "name spaces": lambda size: b"<x><a " + b" ".join(b'xmlns:b%d="u"' % n for n in range(size // 18)) + b"/></x>",
    "names": lambda size: b"<x>" + b"".join(b"<name%d/>" % n for n in range(size // 14)) + b"</x>",
    "entities": _xml(b"&amp;"),
}


MOST_BYTES = 12 * 2**30  # so that an unbounded case kills its own process and not the machine


def main() -> None:
    """Land the body, load it, and print the cost as JSON: its size, and the additional MiB."""
    name, mb = sys.argv[1], int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    with tempfile.TemporaryDirectory() as folder:
        landing = Landing(Path(folder) / "landing")
        warehouse = Warehouse(Path(folder) / "warehouse.duckdb", WarehouseSettings(memory_limit="1GB"))
        at, form = datetime(2026, 11, 22, tzinfo=UTC), "xml" if SHAPES[name](100).startswith(b"<") else "json"
        body = SHAPES[name](mb * 2**20)
        landed = landing.calls.land(
            Call("reports", at, 1, form, day=date(2026, 11, 20), http_status=200, body=body)  # type: ignore[arg-type]
        )
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        summary = load(landing, warehouse)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert landing.calls.read(landed).body == body
    print(
        json.dumps(
            {
                "body_mib": len(body) / 2**20,
                "more_mib": (peak - before) / 1024,
                "peak_mib": peak / 1024,
                "cpu_seconds": round(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), 1),
                "records": summary.record_count,
                "accepted": summary.accepted_count,
                "rejected": summary.rejected_count,
            }
        )
    )


if __name__ == "__main__":
    main()
