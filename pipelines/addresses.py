"""Addresses of servers as URLs, and whether they are this machine."""

import ipaddress


def http_url(host: str, port: int) -> str:
    """The URL of a server that listens there; an IPv6 address is in brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(host: str) -> bool:
    """True for localhost and the addresses that lead to this machine wherever they are used."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
