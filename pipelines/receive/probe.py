"""A look at the endpoint from outside: it answers, and it refuses what it must."""

from typing import Final

import httpx

from pipelines.settings import ReceiveSettings

_TIMEOUT_SECONDS: Final = 10
_NO_PUSH: Final = b"<xml><head><app_key>a stranger's</app_key></head><body/></xml>"


def url_of(receive: ReceiveSettings) -> str:
    """Where the endpoint is reached: from outside, if the settings say how, else on this machine."""
    return (receive.public_url or f"http://{receive.host}:{receive.port}").rstrip("/")


def problems(receive: ReceiveSettings) -> list[str]:
    """What is wrong with the running endpoint. Raises httpx.HTTPError if it isn't reached at all."""
    found = []
    with httpx.Client(base_url=url_of(receive), timeout=_TIMEOUT_SECONDS) as client:
        health = client.get("/health")  # a proxy that lets only pushes through has no such page
        if health.status_code >= 500:
            found.append(f"it answers with {health.status_code} when it is asked how it is")
        secret = receive.path_secret.get_secret_value()
        for what, path, body in (
            ("a push to another path", f"/push/{secret[::-1]}x", _NO_PUSH),
            ("a push that is no XML", f"/push/{secret}", b"no XML"),
            ("a push with another app_key", f"/push/{secret}", _NO_PUSH),
            ("a push that is too large", f"/push/{secret}", b" " * (receive.max_body_kb * 1024 + 1)),
        ):
            status = client.post(path, content=body).status_code
            if not 400 <= status < 500:
                found.append(f"{what} is answered with {status}")
    return found
