"""The words of charts, notebooks and the HTML report, in English and in Chinese: all of them, in one table."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args

from pipelines.formatting import duration, instant

Language = Literal["en", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

WORDS: Final[dict[str, tuple[str, str]]] = {
    # the page
    "campaign": ("Campaign {name}", "活动 {name}"),
    "gateway_health": ("Health of the gateway", "网关健康状况"),
    "as_of": ("published {at} (China)", "发布于 {at}（北京时间）"),
    "sent_between": ("sent {first} to {last}", "发送时间 {first} 至 {last}"),
    "sent_at": ("sent {first}", "发送时间 {first}"),
    "not_sent": ("not sent yet", "尚未发送"),
    "closed": ("the figures are final", "数字已定型"),
    "moving": ("the figures can still move", "数字还会变动"),
    "cost": ("cost {accepted}, of which {failed} for messages that failed", "费用 {accepted}，其中失败短信占 {failed}"),
    "balanced": ("the books balance", "账目已对平"),
    "unbalanced": ("THE BOOKS DO NOT BALANCE", "账目不平"),
    "choose_campaign": ("Campaign", "活动"),
    "choose_language": ("Language", "语言"),
    "choose_days": ("Days back", "回看天数"),
    "no_campaign": ("Nothing was sent yet.", "还没有发送过任何活动。"),
    "no_such_campaign": ("There is no campaign {name} in what is published.", "已发布的数据中没有活动 {name}。"),
    "footer": (
        "Made by smsrecon from the published tables; it holds no phone and no text.",
        "由 smsrecon 根据已发布的数据生成，不含手机号和短信内容。",
    ),
    # headings
    "h_books": ("The books", "账目"),
    "h_rates": ("Rates", "比率"),
    "h_sending": ("Over the sending", "发送过程"),
    "h_latency": ("Time to the phone", "到达时间"),
    "h_codes": ("Why messages failed", "失败原因"),
    "h_movers": ("Whose move it is", "该谁处理"),
    "h_carriers": ("Carriers and provinces", "运营商与省份"),
    "h_owner": ("By the owner's columns", "按自有列细分"),
    "h_replies": ("Replies", "上行回复"),
    "h_refusals": ("Refused by the gateway", "网关拒收"),
    "h_exceptions": ("Exceptions, and the next step", "异常与下一步"),
    # the books
    "rows": ("rows of the file", "名单行数"),
    "taken": ("accepted by the gateway", "网关接收"),
    "invalid": ("invalid: can't be sent", "无效：无法发送"),
    "duplicate": ("duplicate: an earlier row has the phone", "重复：号码在前面出现过"),
    "suppressed": ("suppressed: on a list of phones to spare", "已屏蔽：在免打扰名单上"),
    "planned": ("still to be sent", "待发送"),
    "refused": ("refused by the gateway", "网关拒收"),
    "in_doubt": ("in doubt: may have been sent", "存疑：可能已发送"),
    "accepted": ("no report yet", "尚无报告"),
    "unreported": ("no report ever came", "始终没有报告"),
    "failed": ("failed: a report says why", "失败：报告附有原因"),
    "delivered": ("delivered", "已送达"),
    "books_found": (
        "Of {rows} rows {delivered} were delivered ({share}), and every row is accounted for",
        "名单 {rows} 行，送达 {delivered} 行（{share}），每一行都有去处",
    ),
    "books_wrong": ("THE BOOKS DO NOT BALANCE: see smsrecon status", "账目不平：请看 smsrecon status"),
    "books_note": ("rows, and their share of the file", "行数，以及占名单的比例"),
    # rates
    "delivered_of_accepted_rate": ("delivered / accepted", "送达 / 接收"),
    "delivered_of_reported_rate": ("delivered / reported", "送达 / 有报告"),
    "coverage_rate": ("reported / accepted", "有报告 / 接收"),
    "rates_found": ("{rate} of the accepted messages were delivered", "接收的短信中 {rate} 已送达"),
    "points_above": (", {points} points above the median", "，比中位数高 {points} 个百分点"),
    "points_below": (", {points} points below the median", "，比中位数低 {points} 个百分点"),
    "points_same": (", as is the median", "，与中位数持平"),
    "rates_note": ("line: 95% interval", "横线：95% 置信区间"),
    "rates_note_earlier": (
        "line: 95% interval; bar and grey dots: median and rates of {number} earlier campaigns",
        "横线：95% 置信区间；竖线和灰点：此前 {number} 个活动的中位数和比率",
    ),
    "rates_none": ("Nothing was accepted, so there is no rate", "没有被接收的短信，因此没有比率"),
    "median": ("median {rate}", "中位数 {rate}"),
    "of": ("{part} of {whole}", "{part} / {whole}"),
    # sending
    "sending_found": (
        "Delivery moved between {low} and {high} over the sending",
        "发送过程中送达率在 {low} 至 {high} 之间",
    ),
    "sending_note": (
        "delivered / accepted of each twentieth of the messages, its 95% interval; line: the whole campaign, {rate}",
        "每二十分之一短信的送达 / 接收及其 95% 置信区间；横线：整个活动的 {rate}",
    ),
    "sent_messages": ("messages accepted, in order of sending", "按发送顺序累计接收的短信"),
    "sent_time": ("time of sending", "发送时间"),
    # latency
    "latency_found": (
        "Half of the delivered messages took {p50} or less, 99% took {p99} or less",
        "送达的短信半数在 {p50}内到达，99% 在 {p99}内到达",
    ),
    "latency_note": ("share of the delivered messages, by time since sending", "送达短信的累计占比，按发送后的时间"),
    "latency_axis": ("1 s|10 s|1 min|10 min|1 h|6 h|1 day|3 days", "1 秒|10 秒|1 分钟|10 分钟|1 小时|6 小时|1 天|3 天"),
    "latency_none": ("No message was delivered", "没有送达的短信"),
    # codes
    "cost_of_code": ("cost {cost}", "费用 {cost}"),
    "codes_found": (
        '"{meaning}" comes first of {number} codes, with {share} of the failures',
        "{number} 种状态码中，“{meaning}”居首，占失败的 {share}",
    ),
    "codes_note": (
        "failed messages, and their share of all failures; the colour says whose move it is, as below",
        "失败条数，以及占全部失败的比例；颜色表示该谁处理，同下图",
    ),
    "codes_none": ("No message failed", "没有失败的短信"),
    "more": ("other codes: {number}", "另有 {number} 个状态码"),
    "movers_found": ("{share} of the failures: {mover} can do something about them", "{share} 的失败可由{mover}处理"),
    "movers_note": ("failed messages by who can do something, and what", "失败条数，按谁能处理、怎么处理"),
    "campaign_owner": ("the owner", "活动方"),
    "recipient": ("the recipient", "收信人"),
    "carrier": ("the carrier", "运营商"),
    "vendor": ("the vendor", "网关厂商"),
    "operator": ("the operator", "运维"),
    "nobody": ("nobody", "无人"),
    "unknown": ("unknown", "未知"),
    # breakdowns
    "ranges_found": (
        "From {low} ({worst}) to {high} ({best}) were delivered",
        "送达率从 {low}（{worst}）到 {high}（{best}）",
    ),
    "range_found": ("{best}: {high} were delivered", "{best}：送达 {high}"),
    "carriers_note": (
        "delivered / accepted by carrier of the number range (not of the person), its 95% interval, messages accepted",
        "送达 / 接收，按号段所属运营商（不一定是用户现在的运营商），附 95% 置信区间和接收条数",
    ),
    "provinces_note": (
        "delivered / accepted by province of the number range, the largest 12, with its 95% interval",
        "送达 / 接收，按号段所属省份，取最大的 12 个，附 95% 置信区间",
    ),
    "owner_apart": (
        "{column}: {best} {high}, {worst} {low}; their intervals do not overlap",
        "{column}：{best} {high}，{worst} {low}，两者置信区间不重叠",
    ),
    "owner_alike": (
        "{column}: from {low} ({worst}) to {high} ({best}); their intervals overlap",
        "{column}：从 {low}（{worst}）到 {high}（{best}），两者置信区间重叠",
    ),
    "owner_note": (
        "delivered / accepted with its 95% interval, and how many were accepted",
        "送达 / 接收及其 95% 置信区间，以及接收条数",
    ),
    "owner_none": (
        "The input had no column of the owner's that parts it into 2 to 20 groups.",
        "名单里没有能分成 2 至 20 组的自有列。",
    ),
    "row_of_owner": (
        "{share} · {number} accepted · {replies} replied, {opt_outs} of them to opt out",
        "{share} · 接收 {number} · 回复 {replies}，其中退订 {opt_outs}",
    ),
    # replies
    "replies_found": (
        "{replies} replies ({share} of the accepted messages), of which {opt_outs} opt out ({opt_out_share})",
        "收到 {replies} 条回复（占接收的 {share}），其中 {opt_outs} 条退订（{opt_out_share}）",
    ),
    "replies_note": ("replies an hour, by when they were sent", "每小时回复条数"),
    "replies_note_days": ("replies a day, by when they were sent", "每天回复条数"),
    "replies_none": ("Nobody has replied", "还没有人回复"),
    "opts_out": ("opts out", "退订"),
    "other_reply": ("other reply", "其他回复"),
    # tables
    "error_code": ("error code", "错误码"),
    "messages": ("messages", "短信条数"),
    "meaning": ("meaning", "含义"),
    "found": ("found", "发现"),
    "times": ("times", "次数"),
    "next_step": ("what it is, and what to do", "是什么，怎么办"),
    "exceptions_none": ("Nothing was found that somebody should look at.", "没有需要处理的异常。"),
    "refusals_none": ("No message was refused.", "没有被拒收的短信。"),
    # exceptions
    "orphan": ("orphan", "无主报告"),
    "conflict": ("conflict", "报告矛盾"),
    "phone_mismatch": ("phone mismatch", "号码不符"),
    "report_of_unsent": ("report of unsent", "未发却有报告"),
    "sent_twice": ("sent twice", "重复发送"),
    "report_before_submission": ("report before submission", "报告早于发送"),
    "late_report": ("late report", "迟到的报告"),
    "unreported_found": ("unreported", "无报告"),
    "in_doubt_found": ("in doubt", "存疑"),
    "unknown_code": ("unknown code", "未知状态码"),
    "reject": ("reject", "无法接受的记录"),
    "do_orphan": (
        "belongs to none of our messages: is the account shared with another sender?",
        "不属于我们的任何短信：账号是否与别的系统共用？",
    ),
    "do_conflict": ("reported both delivered and failed: delivered counts", "既报送达又报失败：按送达计"),
    "do_phone_mismatch": (
        "a report for another phone: not believed; ask the vendor",
        "报告的号码对不上：不予采信；请询问厂商",
    ),
    "do_sent_twice": (
        "sent again as not sent, and reported the first time too: who decided that, and why?",
        "按未发送重发，第一次却也有报告：是谁决定重发的，为什么？",
    ),
    "do_report_of_unsent": ("a report of a message not sent: ask the vendor", "未发送的短信却有报告：请询问厂商"),
    "do_report_before_submission": (
        "reported before it was sent: is this machine's clock right?",
        "报告时间早于发送：本机时钟准吗？",
    ),
    "do_late_report": ("came after the report window, but it counts", "报告期之后才到，但仍然计入"),
    "do_unreported": ("no report came: ask the vendor, by batch_num", "没有报告：凭 batch_num 询问厂商"),
    "do_in_doubt": ("pull again later, then ask the vendor for the batch", "稍后再取，仍无结果就向厂商查询该批次"),
    "do_unknown_code": ("in no table: ask the vendor what it means", "码表里没有：请厂商说明含义"),
    "do_reject": (
        'could not be read: smsrecon sql "FROM exceptions" has it',
        '无法读取：用 smsrecon sql "FROM exceptions" 查看',
    ),
    # the gateway
    "code_days_found": (
        '{failed} of the reported messages failed, most often with "{meaning}" (days of sending: {number})',
        "{number} 个发送日里有报告的短信中 {failed} 失败，最多的是“{meaning}”",
    ),
    "code_days_note": (
        "share of the messages of a day of sending that failed with the code, of those reported",
        "每个发送日中，以该状态码失败的短信占有报告短信的比例",
    ),
    "unknown_found": (
        "Codes in no table: {number}, with {share} of the failures; ask the vendor what they mean",
        "有 {number} 个状态码不在码表中，占失败的 {share}：请厂商说明含义",
    ),
    "unknown_note": (
        "messages by unknown code, and their share of all failures",
        "各未知状态码的短信条数，以及占全部失败的比例",
    ),
    "unknown_none": ("Every code is known", "所有状态码都已知"),
    "answers_found": (
        "Of 100 batches, 95 were answered within {p95} on the slowest day",
        "最慢的一天，95% 的批次在 {p95} 内得到应答",
    ),
    "answers_note": ("milliseconds from request to answer, by day of sending", "从请求到应答的毫秒数，按发送日"),
    "answers_none": ("No batch was answered", "没有得到应答的批次"),
    "half_of_answers": ("half of the answers", "半数应答"),
    "most_answers": ("95% of the answers", "95% 的应答"),
    "errors_found": (
        "Of {whole} batches {number} got no yes, most often: {meaning}",
        "{whole} 个批次中 {number} 个未被接收，最多的是：{meaning}",
    ),
    "errors_note": (
        "batches by day of sending and error code, the split ones too",
        "批次数，按发送日和错误码，含拆分的批次",
    ),
    "errors_none": ("Every batch was accepted", "所有批次都被接收"),
    "pulls_found": ("Every day that was due was pulled", "应取的日子都取到了"),
    "pulls_missing": (
        "Days never pulled: {number}; smsrecon pull --day {day}",
        "有 {number} 天从未取到：smsrecon pull --day {day}",
    ),
    "pulls_note": ("new reports by the day asked for", "新报告条数，按所查询的日期"),
    "pulls_none": ("No reports are due yet", "还没有应取的报告"),
    "balance_found": ("{balance} segments were left at the last look", "最近一次查询余额 {balance} 条"),
    "balance_unexplained": (
        "{balance} segments were left; {number} of {whole} changes are not explained by what we sent",
        "余额 {balance} 条；{whole} 次变动中有 {number} 次与我们的发送对不上",
    ),
    "balance_note": (
        "segments left, as the gateway told; orange: what we sent does not explain the change",
        "网关告知的余额；橙色：变动与我们的发送对不上",
    ),
    "complete": ("complete", "完整"),
    "so_far": ("so far", "截至目前"),
    "not_yet": ("not yet", "尚未取"),
    "missing": ("missing", "缺失"),
}

# What the marts say in English only: what to do about a code.
TO_DO_ZH: Final[dict[str, str]] = {
    "nothing": "无需处理",
    "try again later in the month": "本月晚些时候再试",
    "take the number off the list": "从名单中删除该号码",
    "try again another day": "改日再试",
    "try again once, then take the number off the list": "再试一次，仍不通就从名单中删除",
    "the recipient asks China Unicom (10010)": "由收信人咨询联通 10010",
    "the recipient clears the handset or asks China Unicom (10010)": "由收信人清理手机或咨询联通 10010",
    "give the vendor the batch number and ask for a route": "向厂商提供批次号，请其安排路由",
    "register the signature with the vendor": "向厂商报备签名",
    "change the text": "修改短信内容",
    "ask the vendor to assign a channel": "请厂商分配通道",
    "ask the vendor what the code means": "请厂商说明该状态码的含义",
}


@dataclass(frozen=True)
class Words:
    """The words of one language."""

    language: Language = "en"

    def __call__(self, name: str, /, **values: str) -> str:
        return WORDS[name][LANGUAGES.index(self.language)].format(**values)

    def of(self, row: dict[str, str], column: str) -> str:
        """A text that the table holds in both languages."""
        return row[column if self.language == "en" else f"{column}_zh"]

    def to_do(self, english: str) -> str:
        return TO_DO_ZH.get(english, english) if self.language == "zh" else english

    def duration(self, seconds: float) -> str:
        text = duration(seconds)
        if self.language == "zh":
            for unit, chinese in (("min", "分钟"), ("days", "天"), ("ms", "毫秒"), ("s", "秒"), ("h", "小时")):
                text = text.replace(f" {unit}", f" {chinese}")
        return text

    def points(self, difference: float) -> str:
        """A difference of two shares, in points, without its sign."""
        return f"{abs(difference) * 100:.1f}"

    def instant(self, at: datetime) -> str:
        return instant(at)
