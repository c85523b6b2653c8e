"""The gate checks every property of a push, and each refusal has its reason."""

from datetime import UTC, datetime
from hashlib import md5

import pytest
from pydantic import SecretStr, ValidationError

from pipelines.errors import UsageError
from pipelines.gateway.push import PushHead
from pipelines.receive.gate import Gate, Refused
from pipelines.settings import GatewaySettings, ReceiveSettings, Settings
from tests.support.endpoint import APP_KEY, PATH_SECRET, REPLY, REPORT, report

THEN = datetime(2016, 8, 23, 6, 30, 33, tzinfo=UTC)  # the vendor's sample says 14:30:33, China's time


def gate(*, now: datetime = THEN, **receive: object) -> Gate:
    return Gate(
        Settings(
            gateway=GatewaySettings(app_key=APP_KEY, app_secret=SecretStr("s")),
            receive=ReceiveSettings(path_secret=SecretStr(PATH_SECRET), **receive),  # type: ignore[arg-type]
        ),
        lambda: now,
    )


def refusal(of: Gate, body: bytes) -> str:
    with pytest.raises(Refused) as refused:
        of.check_push(body)
    return refused.value.reason


def test_blanks_around_fields_of_the_head_are_ignored() -> None:
    key = APP_KEY.encode()

    assert gate().check_push(REPORT.replace(key, b"\n  " + key + b" ")).head.app_key == APP_KEY


def test_an_empty_setting_lets_nobody_in() -> None:
    asked = Gate(Settings(), lambda: THEN)

    with pytest.raises(Refused, match="path"):
        asked.check_path("")
    assert refusal(asked, REPORT.replace(APP_KEY.encode(), b"")) == "app_key"


@pytest.mark.parametrize("sample", [REPORT, REPLY])
def test_the_vendors_samples_are_accepted(sample: bytes) -> None:
    assert not gate().check_push(sample).is_repeated


def test_only_the_secret_path_and_the_own_app_key_are_accepted() -> None:
    gate().check_path(PATH_SECRET)
    for other in ("", PATH_SECRET[:-1], PATH_SECRET + "x", "é" * 20):
        with pytest.raises(Refused, match="path"):
            gate().check_path(other)
    for other in (b"", b"another", APP_KEY.upper().encode()):
        assert refusal(gate(), REPORT.replace(APP_KEY.encode(), other)) == "app_key"


@pytest.mark.parametrize(
    "body", [b"", b" \n", b"<xml><body/></xml>", b"<xml><head>x</head></xml>", b"<xml><a>R&D</a></xml>"]
)
def test_a_push_without_a_head_is_unreadable(body: bytes) -> None:
    assert refusal(gate(), body) == "unreadable"


@pytest.mark.parametrize("body", [b"no xml", REPORT[:-9], b"[1]", b"{}", b"\0" * 20, b"<a>" * 10_000])
def test_bytes_that_can_not_be_parsed_are_kept_since_nothing_says_whose_they_are(body: bytes) -> None:
    asked = gate(sign="md5", max_age_minutes=1)
    for _ in range(2):
        admitted = asked.check_push(body)
        assert (admitted.head, admitted.is_repeated) == (None, False)
        asked.remember(admitted.head, body)


@pytest.mark.parametrize("text", ["TD&#55357;&#56397;", "TD\x01", "TD&#1;", "R&D", "TD&nbsp;", "<3"])
def test_a_push_with_a_bad_character_is_checked_like_any_other(text: str) -> None:
    body = REPLY.replace("測試".encode(), text.encode())
    asked = gate()
    admitted = asked.check_push(body)
    assert admitted.head is not None
    assert admitted.head.app_key == APP_KEY
    asked.remember(admitted.head, body)
    assert asked.check_push(body).is_repeated
    assert refusal(asked, body.replace(APP_KEY.encode(), b"another")) == "app_key"
    assert refusal(asked, body.replace(b"410001123", b"4100011")) == "nonce"


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("203.0.113.5", "", "203.0.113.5"),
        ("198.51.100.1", "", None),
        ("198.51.100.1", "203.0.113.5", None),  # an address that is not a trusted proxy can claim anything
        ("127.0.0.1", "203.0.113.5", "203.0.113.5"),
        ("127.0.0.1", "203.0.113.5, 10.0.0.7", "203.0.113.5"),
        ("127.0.0.1", "203.0.113.5, 198.51.100.1", None),  # any client can write the first entry
        ("127.0.0.1", "", None),
        ("127.0.0.1", "nobody", None),
        ("::ffff:203.0.113.5", "", "::ffff:203.0.113.5"),
    ],
)
def test_forwarded_addresses_count_behind_trusted_proxies_only(
    peer: str, forwarded_for: str, address: str | None
) -> None:
    asked = gate(allow=["203.0.113.0/24"], trusted_proxies=["127.0.0.1", "10.0.0.0/8"])
    if address is None:
        with pytest.raises(Refused, match="address"):
            asked.check_address(peer, forwarded_for)
    else:
        assert asked.check_address(peer, forwarded_for) == address


def test_without_an_allow_list_every_address_may_push() -> None:
    assert gate().check_address("198.51.100.1", "") == "198.51.100.1"


def test_a_push_that_is_too_old_or_from_the_future_or_without_a_time_is_refused() -> None:
    gate(max_age_minutes=10).check_push(REPORT)
    for hour in (5, 7):
        assert refusal(gate(max_age_minutes=10, now=THEN.replace(hour=hour)), REPORT) == "time_stamp"
    assert refusal(gate(max_age_minutes=10), REPORT.replace(b"20160823143033", b"")) == "time_stamp"
    for stamp in (b"yesterday", b"2016-08-23T06:30:33+08:00"):
        assert refusal(gate(max_age_minutes=10), REPORT.replace(b"20160823143033", stamp)) == "time_stamp"
    for stamp in (b"2016-08-23 14:30:33", b"2016-08-23T06:30:33Z", b"1471933833000"):
        gate(max_age_minutes=10).check_push(REPORT.replace(b"20160823143033", stamp))
    gate(now=THEN.replace(year=2026)).check_push(REPORT)  # without the setting, no time is too old


def test_a_repeated_push_is_recognised_and_another_with_its_nonce_is_refused() -> None:
    asked = gate()
    asked.remember(asked.check_push(REPORT).head, REPORT)

    assert asked.check_push(REPORT).is_repeated
    assert refusal(asked, REPORT.replace(b"DELIVRD", b"MK:0001")) == "nonce"
    assert not asked.check_push(REPLY).is_repeated


def test_a_push_that_was_checked_and_not_kept_is_not_remembered() -> None:
    asked = gate()
    asked.check_push(REPORT)
    assert not asked.check_push(REPORT).is_repeated


def test_the_memory_of_nonces_is_bounded() -> None:
    asked = gate(nonce_memory=2)
    pushes = [REPORT.replace(b"sdowenfwierhfwdkpkadbi", b"n%d" % number) for number in range(3)]
    for push in pushes:
        asked.remember(asked.check_push(push).head, push)

    assert [asked.check_push(push).is_repeated for push in pushes] == [False, True, True]


def test_recalled_nonces_are_dropped_from_the_oldest() -> None:
    asked = gate(nonce_memory=3)
    pushes = [report(number) for number in range(4)]
    asked.recall([pushes[2], b"damaged", pushes[1], pushes[0]])  # the latest first
    assert [asked.check_push(push).is_repeated for push in pushes] == [True, True, True, False]

    asked.remember(asked.check_push(pushes[3]).head, pushes[3])

    assert [asked.check_push(push).is_repeated for push in pushes] == [False, True, True, True]


def test_pushes_without_a_nonce_are_all_accepted() -> None:
    asked = gate()
    bare = REPORT.replace(b"sdowenfwierhfwdkpkadbi", b"")
    asked.remember(asked.check_push(bare).head, bare)
    assert not asked.check_push(bare.replace(b"DELIVRD", b"MK:0001")).is_repeated


def test_the_md5_is_checked_if_configured() -> None:
    asked = gate(sign="md5", sign_text="{app_key}{time_stamp}{app_secret}")
    sign = md5(f"{APP_KEY}20160823143033s".encode()).hexdigest().encode()  # noqa: S324

    assert refusal(asked, REPORT) == "sign"
    asked.check_push(REPORT.replace(b"72b16e1d63b9f2f2ee588df4e88d7706", sign))
    asked.check_push(REPORT.replace(b"72b16e1d63b9f2f2ee588df4e88d7706", sign.upper()))
    assert refusal(asked, REPORT.replace(b"72b16e1d63b9f2f2ee588df4e88d7706", b"")) == "sign"


def only_xs(head: PushHead, body: bytes, app_secret: str) -> bool:
    return head.sign == "x" * 32 and body.startswith(b"<?xml") and app_secret == "s"


def test_the_operators_verifier_is_named_by_module_and_function() -> None:
    asked = gate(sign="tests.receive.test_gate:only_xs")
    assert refusal(asked, REPORT) == "sign"
    asked.check_push(REPORT.replace(b"72b16e1d63b9f2f2ee588df4e88d7706", b"x" * 32))
    for wrong in ("tests.receive.test_gate:nothing", "no_module:verify"):
        with pytest.raises(UsageError, match=r"receive\.sign"):
            gate(sign=wrong)


@pytest.mark.parametrize("text", ["{body}", "{", "{0}", "{app_key.x}"])
def test_a_sign_text_of_other_fields_is_a_wrong_setting(text: str) -> None:
    with pytest.raises(ValidationError, match="no other braces"):
        gate(sign_text=text)


def test_metrics_are_for_who_may_push_and_for_this_machine() -> None:
    asked = gate(allow=["203.0.113.0/24"], trusted_proxies=["127.0.0.1"])

    assert asked.may_measure("203.0.113.9", "")
    assert asked.may_measure("127.0.0.1", "")
    assert asked.may_measure("::1", "")
    assert not asked.may_measure("198.51.100.1", "")
    assert not asked.may_measure("127.0.0.1", "198.51.100.1")
    assert gate().may_measure("198.51.100.1", "")
