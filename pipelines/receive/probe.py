"""Probe of the running endpoint from outside: it is ours, and refuses pushes that it must refuse."""

import secrets
from typing import Final

import httpx

from pipelines.errors import UsageError
from pipelines.receive.ping import is_signed, signature
from pipelines.receive.refusals import FOREIGN_PUSH
from pipelines.settings import ReceiveSettings

_TIMEOUT_SECONDS: Final = 10


def problems(receive: ReceiveSettings) -> list[str]:
    """The problems of the running endpoint, in words.

    The path secret is sent only to a server that has proved to have it. Raises httpx.HTTPError if it can't be reached,
    and UsageError if the certificates of the environment can't be read.
    """
    found = []
    try:
        verify = httpx.create_ssl_context()  # with the certificates of the environment, but without its proxies
    except OSError:
        raise UsageError("the certificates that SSL_CERT_FILE names can't be read; correct or unset it") from None
    with httpx.Client(base_url=receive.url, timeout=_TIMEOUT_SECONDS, verify=verify, trust_env=False) as client:
        health = client.get("/health")  # may be 404 behind a proxy that passes pushes only
        if health.status_code >= 500:
            found.append(f"GET /health is answered with {health.status_code}")
        if not _is_ours(client, receive):
            return [*found, "another server answers there, or an endpoint with another path secret"]
        secret = receive.path_secret.get_secret_value()
        for what, path, body in (
            ("a push to another path", f"/push/{secret[::-1]}x", FOREIGN_PUSH),
            ("an empty push", f"/push/{secret}", b""),
            ("a push with another app_key", f"/push/{secret}", FOREIGN_PUSH),
            ("a push that is too large", f"/push/{secret}", b" " * (receive.max_body_kb * 1024 + 1)),
        ):
            status = client.post(path, content=body).status_code
            if not 400 <= status < 500:
                found.append(f"{what} is answered with {status}")
    return found


def _is_ours(client: httpx.Client, receive: ReceiveSettings) -> bool:
    nonce = secrets.token_hex(16)
    question = {"nonce": nonce, "signature": signature(receive, "question", nonce)}
    answer = client.get("/push/ping", params=question)
    return answer.status_code == 200 and is_signed(receive, "answer", nonce, answer.text)
