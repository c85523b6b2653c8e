"""A life: campaigns are sent, reported and reconciled while processes are killed again and again.

The seed determines everything but the moments of timed kills. The laws are checked after every death, and all of them
at the end of the life, when every command has run to completion.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from pipelines.campaign.journal.journal import Journal
from pipelines.campaign.journal.records import SETTLED_STATES
from pipelines.failpoints import POINTS
from pipelines.sandbox import Fault
from pipelines.settings import PolicySettings
from tests.crash.laws import Laws
from tests.crash.places import KILLED, Ended, Place, running_place

# How far the clock is behind in each phase, so that everything matures.
PHASES = tuple(timedelta(hours=hours) for hours in (170, 145, 110, 80))
MENU = {
    "submit": 8,
    "pull": 4,
    "daily": 3,
    "load": 1,
    "reconcile": 1,
    "publish": 2,
    "rebuild": 1,
    "resume": 2,
    "resolve": 2,
    "suppress": 2,
}
POINTS_A_LIFE = 5
# tests/cli/test_purge.py covers the failpoints of a purge, tests/receive those of the endpoint, tests/shared the rest.
LIVED = [point for point in POINTS if not point.startswith(("purge.", "segments.", "sharing."))]
ALONGSIDE = ("daily", "pull", "publish", "submit")

# Possible exit codes without a kill: done, refused, unavailable, in doubt, data missing, busy, an alert.
FORESEEN = {0, 11, 12, 13, 14, 15, 16}

# Possible messages with exit code 2: another command must run first, or reports have settled the doubt meanwhile.
TOLD = ("'smsrecon load'", "'smsrecon reconcile'", "not in doubt", "settled meanwhile")


@dataclass
class Life:
    """The life of one place from its first message to its closed books."""

    place: Place
    seed: int
    deaths: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.laws = Laws(self.place)
        self._chance = random.Random(self.seed)
        self._seconds = dict.fromkeys(MENU, 0.6)
        self._open: list[str] = []

    def live(self, kills: int) -> None:
        """Die at each point of the seed, then at random until there are `kills` deaths."""
        try:
            self.live_through(points_of(self.seed), kills=kills)
        except BaseException as error:
            error.add_note(f"to replay it: make torture SEED={self.seed} KILLS={kills}")
            raise

    def live_through(self, points: Sequence[str], *, phases: Sequence[timedelta] = PHASES, kills: int = 0) -> None:
        """Die at each of these points, spread over the phases, and at random until there are `kills` deaths."""
        share = -(-kills // len(phases))
        for number, ago in enumerate(phases):
            self.place.move_to(ago)
            begun = self.deaths.total()
            for point in points[number :: len(phases)]:
                self.die_at(point)
            while self.deaths.total() < begun + share:
                self.die_somehow()
            self.finish()
        self.end()

    def die_at(self, point: str) -> None:
        """Run a command that reaches the failpoint, and die there."""
        command = self._on_the_way_to(point)
        times = self._chance.randint(1, 3)
        if self.die(command(), failpoint=f"{point}:{times}"):
            return
        for _ in range(3):  # the state left by earlier deaths decides if a command reaches it
            given = command()
            if self.die(given, failpoint=point):
                return
        raise AssertionError(f"{point} was not reached by {given}")

    def die_somehow(self) -> None:
        """Kill a command at a random failpoint or time, beside another command, or kill the sandbox below it."""
        name = self._chance.choices([*MENU], MENU.values())[0]
        command = self._command(name)
        how = self._chance.random()
        if how < 0.4:
            self.kill(command, failpoint=f"{self._chance.choice(LIVED)}:{self._chance.randint(1, 12)}")
        elif how < 0.8:
            self.kill(command, kill_after=self._chance.uniform(0.05, 1.1 * self._seconds[name]))
        elif how < 0.95:
            other = self._command(self._chance.choice(ALONGSIDE))
            with self.alongside(other, kill_after=self._chance.choice([None, self._chance.uniform(0.05, 0.8)])):
                self.kill(command, kill_after=self._chance.uniform(0.05, 1.5 * self._seconds[name]))
        else:
            with self.place.sandbox_dying(self._chance.uniform(0.1, self._seconds[name])):
                self._seen(self.place.run(command))
            self.deaths["the sandbox"] += 1
        self.laws.hold_after_death()

    def end(self) -> None:
        """Send what is left, let everything mature, and hold the closed books to all laws."""
        self.send_the_rest()
        self.place.move_to(timedelta(0))
        self.finish()
        self.laws.hold_at_the_end()

    def send_the_rest(self) -> None:
        """Send what is left of all campaigns; a `resolve` may have given one that was sent messages to send again."""
        for campaign_id in self.place.campaigns:
            for _ in range(60):
                if self._is_sent(campaign_id):
                    break
                self._seen(self.place.run(f"submit {campaign_id}"))
            assert self._is_sent(campaign_id), f"{campaign_id} is never done"

    def finish(self) -> None:
        """Repeat all commands until everything is done."""
        self.send_the_rest()
        done = self._seen(self.place.run("daily"))
        assert done.code in {0, 13, 16}, f"daily ended with {done.code}: {done.err}"
        self.laws.is_published = True
        self.laws.hold_after_death()

    def die(self, command: str, *, failpoint: str) -> bool:
        """Die at a failpoint and check the laws; False if it was not reached."""
        is_reached = self.kill(command, failpoint=failpoint)
        self.laws.hold_after_death()
        return is_reached

    def kill(self, command: str, *, failpoint: str = "", kill_after: float | None = None) -> bool:
        """Run a command that is to be killed; False if it ended before."""
        begun = time.monotonic()
        ended = self.place.run(command, failpoint=failpoint, kill_after=kill_after)
        if command.startswith("suppress add") and ended.code == 0:
            self.laws.newly_listed |= set(command.split()[2:])
        if ended.code != KILLED:
            self._seen(ended)
            name = command.partition(" ")[0]
            self._seconds[name] = 0.5 * self._seconds[name] + 0.5 * (time.monotonic() - begun)
            return False
        self.deaths[failpoint.partition(":")[0] or "by the clock"] += 1
        return True

    @contextmanager
    def alongside(self, command: str, *, kill_after: float | None) -> Iterator[None]:
        """Run another command during the block, and kill it too if `kill_after` is given."""
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(self.place.run, command, kill_after=kill_after)
            yield
        if running.result().code == KILLED:
            self.deaths["by the clock"] += 1
        else:
            self._seen(running.result())

    def _seen(self, ended: Ended) -> Ended:
        """Check that a command that wasn't killed ended with a foreseen code or message."""
        is_told = ended.code == 2 and any(words in ended.err for words in TOLD)
        assert ended.code in FORESEEN or is_told, f"{ended.command} ended with {ended.code}: {ended.err}"
        assert "Traceback" not in ended.err, ended.err
        return ended

    # Choosing a command

    def _command(self, name: str) -> str:
        if name == "resolve":
            return self._resolve()
        if name not in {"submit", "resume", "suppress"}:
            return name
        self._open = [campaign_id for campaign_id in self._open if not self._is_sent(campaign_id)]
        if not self._open:
            self.new_campaign(self._chance.randint(60, 240))
        campaign_id = self._chance.choice(self._open)
        if name == "suppress":
            return f"suppress add {' '.join(self._chance.sample(self.place.phones(campaign_id), 5))}"
        return f"{name if self._is_registered(campaign_id) else 'submit'} {campaign_id}"

    def _resolve(self) -> str:
        """Settle the doubts of a campaign by the truth, as a vendor could."""
        registered = [campaign_id for campaign_id in self.place.campaigns if self._is_registered(campaign_id)]
        if not registered:
            return self._command("submit")
        campaign_id = self._chance.choice(registered)
        command = [f"resolve {campaign_id}"]
        self._seen(self.place.run(*command))
        in_doubt, taken = self.place.batches_in_doubt(campaign_id), self.place.batches_taken()
        for option, batch_nums in (("accept", in_doubt & taken), ("resend", in_doubt - taken)):
            if batch_nums:
                command += [f"--{option}", ",".join(sorted(batch_nums))]
        if in_doubt - taken and campaign_id not in self._open:
            self._open.append(campaign_id)
        return " ".join([*command, "--yes"])

    def _on_the_way_to(self, point: str) -> Callable[[], str]:
        if point.startswith("warehouse."):
            return lambda: "rebuild" if point == "warehouse.half_deleted" else self._chance.choice(["load", "daily"])
        if point.startswith(("publish.", "load.", "reconcile.")):
            return lambda: self._step(point.partition(".")[0])
        if point == "landing.half_settled":
            return self._pull_with_a_mark
        if point in {"landing.before_call", "landing.before_unmark", "file.before_write"}:
            return lambda: "pull"
        if point in {"journal.before_pause", "journal.after_pause"}:
            return self._submit_that_pauses
        return self._submit_of_a_new_campaign

    def _step(self, name: str) -> str:
        """The step alone if it has something to do, else the whole day, which takes longer."""
        if name == "publish" and self.laws.is_published:
            self.bring_news()
            return name
        return name if name == "reconcile" else "daily"

    def bring_news(self) -> None:
        """Close the books of one call more, so that a publish has something to write, and something to share."""
        for command in ("pull", "load", "reconcile"):
            self._seen(self.place.run(command))

    def _pull_with_a_mark(self) -> str:
        self.die("pull", failpoint="landing.before_call")
        return "pull"

    def _submit_that_pauses(self) -> str:
        """Submit with faults for all requests in flight, so that no answer arrives, and messages are left to pause."""
        self.place.sandbox.control(faults=[Fault("drop")] * 2 * self.place.settings.policy.pause_after_in_doubt)
        return f"submit {self.new_campaign(200)}"

    def _submit_of_a_new_campaign(self) -> str:
        return f"submit {self.new_campaign(60)}"

    def new_campaign(self, rows: int) -> str:
        campaign_id = self.place.new_campaign(rows, self._chance.randrange(10**6))
        self._open.append(campaign_id)
        return campaign_id

    def _is_registered(self, campaign_id: str) -> bool:
        with Journal.read_only(self.place.landing.journal) as journal:
            return journal.campaign(campaign_id) is not None

    def _is_sent(self, campaign_id: str) -> bool:
        with Journal.read_only(self.place.landing.journal) as journal:
            campaign, batches = journal.campaign(campaign_id), journal.batches(campaign_id)
        settled = sum(batch.message_count for batch in batches if batch.state in SETTLED_STATES)
        return campaign is not None and settled == campaign.message_count


def points_of(seed: int) -> list[str]:
    """The failpoints that a life with this seed must die at; consecutive seeds cover all of them."""
    return [LIVED[(seed * POINTS_A_LIFE + number) % len(LIVED)] for number in range(POINTS_A_LIFE)]


@contextmanager
def life(folder: Path, seed: int) -> Iterator[Life]:
    """A life whose gateway the seed chooses: how it hands out reports, how many at once, how often it fails, and
    if a batch in doubt may be repeated, since it refuses a repeated batch number.
    """
    chance = random.Random(f"gateway of {seed}")
    sandbox = {
        "report_mode": chance.choice(["snapshot", "drain"]),
        "max_records_per_call": chance.choice([None, 40]),
        "fault_rate": chance.choice([0.0, 0.1]),
        "seed": seed,
    }
    policy = {"in_doubt": "same_batch_num", "repeated_code": "100001"} if chance.random() < 0.4 else {}
    with running_place(folder, policy=PolicySettings(**policy), **sandbox) as place:
        place.landing.choose_number_key("life")
        yield Life(place, seed)
