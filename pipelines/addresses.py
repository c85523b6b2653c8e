"""Addresses of servers as URLs."""


def http_url(host: str, port: int) -> str:
    """The URL of a server that listens there; an IPv6 address is in brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
