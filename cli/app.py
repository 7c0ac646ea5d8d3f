"""From a config file to a wired agent, and the options that every command shares."""

import hashlib
import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Timer
from types import FrameType

from pydantic import SecretStr

from cli.clock import stoppable
from cli.common import DEFAULT_CONFIG, common, current_clock
from cli.config import Config, InvalidConfigError, VendorConfig, load
from cli.field_maps import field_map_of
from cli.output import Output
from cli.policy import policy_of, written
from connectors.base import Clock, Crm, FieldSpec, Source
from connectors.errors import ConfigError
from connectors.known import Weighs
from connectors.outside import known_vendor, made
from mapping.fields import FieldMap
from mapping.themes import Themes
from scoring.cards import Cards
from scoring.events import problems
from sync.database import private_folder
from sync.integrity import begin_work
from sync.lock import run_lock
from sync.owned import OwnedField, OwnedFieldError, owned_fields
from sync.people import people_fields
from sync.policy import Policy
from sync.run import Agent
from sync.store import Store

__all__ = ["DEFAULT_CONFIG", "common", "current_clock"]

ONE_PRESS = 1.0
"""Seconds in which signals count as one: `timeout` and some shells send theirs to the process and then to its group."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """The parts of an agent that need no state file."""

    config: Config
    clock: Clock
    crm: Crm
    sources: tuple[tuple[Source, FieldMap], ...]
    card: Cards
    fields: tuple[OwnedField, ...]
    policy: Policy
    people: dict[str, FieldSpec]

    @property
    def specs(self) -> list[FieldSpec]:
        """Every field that `setup` creates: ours, and those that people fill."""
        return [*(field.spec for field in self.fields), *self.people.values()]


def wire(path: Path, clock: Clock | None = None) -> Wiring:
    """Load the config and build every connector. Makes no request.

    Raises:
        InvalidConfigError: And its kin, with the key to fix.
    """
    config = load(path)
    clock = clock or current_clock()
    card = Cards.load(config.card_paths)
    try:
        own_name = known_vendor(config.crm.type).own_field
        fields = owned_fields(card.segment_names(), config.writeback.fields, own_name, config.hierarchy.fields)
    except OwnedFieldError as error:
        raise InvalidConfigError(f"{path}: writeback.fields: {error}.") from None
    people = people_fields(config.writeback.fields, own_name)
    for problem in problems(config.events, card.features("account")):
        raise InvalidConfigError(f"{path}: events: {problem}.")
    specs = [*(field.spec for field in fields), *people.values()]
    crm, crm_map = _connect(config, config.crm, clock, specs, "crm")
    assert isinstance(crm, Crm)  # noqa: S101  # the config only allows CRMs in this place
    others = [_connect(config, vendor, clock, [], f"sources.{vendor.name}") for vendor in config.sources]
    policy = policy_of(config, fields)
    if isinstance(crm, Weighs):
        crm.writes = written(policy)
    return Wiring(config, clock, crm, ((crm, crm_map), *others), card, fields, policy, people)


def _connect(
    config: Config, vendor: VendorConfig, clock: Clock, own: list[FieldSpec], where: str
) -> tuple[Source, FieldMap]:
    field_map = field_map_of(vendor, str(config.path), where, Themes.of(config.themes))
    wanted = {stream: field_map.paths(stream) for stream in field_map.streams}
    try:
        source = made(
            vendor.type,
            vendor.name,
            vendor.settings,
            clock=clock,
            spool=config.state_dir / "spool",
            own_fields=own,
            wanted=wanted,
        )
    except ConfigError as error:
        raise InvalidConfigError(f"{config.path}: {where}: {error.message}") from None
    return source, field_map


def _login(vendor: VendorConfig) -> str:
    """A hash that differs whenever the CRM's address or credentials do."""
    settings = vendor.settings.model_dump()
    plain = {key: v.get_secret_value() if isinstance(v, SecretStr) else str(v) for key, v in settings.items()}
    return hashlib.sha256(json.dumps([vendor.type, plain], sort_keys=True).encode()).hexdigest()


@contextmanager
def agent_at_work(path: Path, out: Output, clock: Clock | None = None, stop: Event | None = None) -> Iterator[Agent]:
    """A wired agent that holds the lock of its state folder, whose state was found whole and is copied daily.

    When its work has ended, people are told what changed by it.

    Raises:
        LockedError: At once, when another agent is at work.
        DamagedError: When state or ledger are damaged.
    """
    from cli.telling import telling, telling_of_damage

    config = load(path)
    with ExitStack() as stack:
        with telling_of_damage(config, clock or current_clock(), out) as recovered:
            stack.enter_context(run_lock(config.state_dir))
            agent = stack.enter_context(open_agent(path, clock, stop, locked=True))
            begin_work(agent.store, agent.clock.now(), out.warn)
            recovered(agent.store)
        stack.enter_context(telling(agent, config, out))
        yield agent


@contextmanager
def open_agent(
    path: Path, clock: Clock | None = None, stop: Event | None = None, *, locked: bool = False
) -> Iterator[Agent]:
    """A wired agent with its state file open. `stop` ends its work at the next batch boundary, and its waiting."""
    stop = stop or Event()
    wiring = wire(path, stoppable(clock or current_clock(), stop))
    store = Store.open(wiring.config.state_dir, locked=locked)
    private_folder(wiring.config.state_dir / "spool")
    try:
        yield Agent(
            crm=wiring.crm,
            sources=wiring.sources,
            store=store,
            card=wiring.card,
            fields=wiring.fields,
            identity=wiring.config.identity,
            policy=wiring.policy,
            clock=wiring.clock,
            config_hash=wiring.config.hash,
            login=_login(wiring.config.crm),
            stop=stop,
            people=wiring.people,
            events=wiring.config.events,
        )
    finally:
        store.close()


@contextmanager
def stop_after(seconds: float, stop: Event) -> Iterator[None]:
    """Set `stop` when a run takes longer, so that it ends at a batch boundary before the next one is due."""
    timer = Timer(seconds, stop.set)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def stop_on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at SIGTERM or Ctrl-C, so that the work ends at the next batch boundary; a second one ends at once."""
    first: list[float] = []

    def handler(number: int, frame: FrameType | None) -> None:
        if not first:
            first.append(time.monotonic())
            stop()
        elif time.monotonic() - first[0] >= ONE_PRESS:
            signal.signal(number, signal.SIG_DFL)
            if number == signal.SIGINT:
                signal.default_int_handler(number, frame)
            signal.raise_signal(number)

    before = {number: signal.signal(number, handler) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
