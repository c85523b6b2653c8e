"""Inputs on web servers: one file at an https:// address, copied whole or refused."""

import logging
import time
from contextlib import closing
from pathlib import Path
from typing import Final

import httpx
import stamina

from pipelines.campaign.input_address import Address
from pipelines.errors import InputRefused, UsageError
from pipelines.settings import refuse_clear_text

MOST_SECONDS: Final = 3600.0  # for one file
_ATTEMPTS: Final = 3
_MOST_REDIRECTS: Final = 5
_TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)
_HEADERS: Final = {"Accept-Encoding": "identity", "User-Agent": "smsrecon"}

logging.getLogger("httpx").setLevel(logging.WARNING)  # at INFO it logs whole URLs


class _Unavailable(Exception):
    """The server answered that it can't serve the file at the moment."""


_TRANSIENT_ERRORS: Final = (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError, _Unavailable)


def copy_from_web(address: Address, copy: Path, *, most_bytes: int) -> None:
    """Copy the file at an address to `copy`. Raises InputRefused, and UsageError for a proxy that can't be used."""
    try:
        client = httpx.Client(headers=_HEADERS, timeout=_TIMEOUT)
    except (ImportError, ValueError, OSError) as error:
        raise UsageError(
            f"the proxy or the certificates of the environment can't be used ({type(error).__name__}); correct or unset"
            " HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE"
        ) from None
    with client:
        try:
            for attempt in stamina.retry_context(on=_TRANSIENT_ERRORS, attempts=_ATTEMPTS, wait_initial=0.5):
                with attempt:
                    is_html = _get(client, address, copy, most_bytes)
        except _Unavailable as error:
            raise InputRefused(f"{address}: can't be read now ({error}); try again later") from None
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            raise InputRefused(
                f"{address}: its host can't be reached ({type(error).__name__}); check the address and the network"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise InputRefused(
                f"{address}: the answer broke off or can't be read ({type(error).__name__}); try again later"
            ) from None
    if is_html:
        raise InputRefused(
            f"{address}: the answer is a web page and not a file, such as one that asks for a log-in; give the address"
            " that the file itself is downloaded from"
        )


def _get(client: httpx.Client, address: Address, copy: Path, most_bytes: int) -> bool:
    """Write the answer to `copy`. Returns true if it is a web page."""
    request = client.build_request("GET", address.url)
    for _ in range(_MOST_REDIRECTS + 1):
        with closing(client.send(request, stream=True, follow_redirects=False)) as response:
            if response.next_request is None:
                return _write(response, address, copy, most_bytes)
            request = response.next_request
            try:
                refuse_clear_text(str(request.url), "", setting="")
            except UsageError:
                raise InputRefused(
                    f"{address}: leads to an address that is not encrypted; give the https:// address of the file"
                ) from None
    raise InputRefused(f"{address}: leads from address to address; give the one of the file itself")


def _write(response: httpx.Response, address: Address, copy: Path, most_bytes: int) -> bool:
    status = response.status_code
    if status >= 500 or status == httpx.codes.TOO_MANY_REQUESTS:
        raise _Unavailable(f"HTTP status {status}")
    if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        raise InputRefused(
            f"{address}: may not be read (HTTP status {status}); if the address was signed, get a new one; a campaign"
            " that was planned continues with 'smsrecon resume ID'"
        )
    if status in {httpx.codes.NOT_FOUND, httpx.codes.GONE}:
        raise InputRefused(f"{address}: there is no such file (HTTP status {status}); correct the address")
    if status != httpx.codes.OK:
        raise InputRefused(f"{address}: can't be read (HTTP status {status}); correct the address")
    give_up_at = time.monotonic() + MOST_SECONDS
    size, beginning = 0, b""
    with copy.open("wb") as file:
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > most_bytes:
                raise InputRefused(
                    f"{address}: is larger than {most_bytes / 2**20:,.0f} MB; split it, or copy it to this machine"
                )
            if time.monotonic() > give_up_at:
                raise InputRefused(f"{address}: was not read within {MOST_SECONDS / 60:.0f} minutes; try again later")
            beginning = beginning or chunk[:64]
            file.write(chunk)
    return beginning.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html"))
