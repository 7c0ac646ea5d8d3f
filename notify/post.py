"""Sends messages, every channel beside the others, and never waits longer than it is told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic

import requests

from notify import mail, signing, slack
from notify.errors import FailedError, UnclearError
from notify.settings import Channel, Email, Slack, Webhook
from notify.words import Message

SENT = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of one message.

    Attributes:
        channel: Where it went.
        message: Its id.
        error: Empty when it arrived.
        unclear: It may have arrived although there is an error.
    """

    channel: str
    message: str
    error: str = SENT
    unclear: bool = False


def send(message: Message, channel: Channel, now: datetime, timeout: float) -> None:
    """Send one message.

    Raises:
        FailedError: It did not arrive.
        UnclearError: It may have arrived.
    """
    match channel:
        case Slack():
            _post(channel.url.get_secret_value(), slack.body(message), {"Content-Type": "application/json"}, timeout)
        case Webhook():
            content = signing.body(message)
            headers = signing.headers(message, content, channel.secret.get_secret_value(), now)
            _post(channel.url.get_secret_value(), content, headers, timeout)
        case Email():
            mail.send(message, channel, now, timeout)


def send_all(
    post: Mapping[str, Sequence[Message]],
    channels: Mapping[str, Channel],
    now: datetime,
    timeout: float,
    ended: Callable[[Ended], None],
) -> None:
    """Send everything, each channel's messages in order; a channel that fails once is left until the next run.

    Args:
        post: Name of a channel -> its messages.
        channels: The channels.
        now: The instant.
        timeout: Seconds for everything together. What has not come back by then counts as unclear where it was being
            sent, and as not sent where it was not its turn yet.
        ended: Called in this thread with what became of each message.
    """
    results: SimpleQueue[Ended] = SimpleQueue()
    until = monotonic() + timeout
    for name, messages in post.items():
        # A daemon: a server that answers a byte a minute holds up neither this run nor the end of the program.
        Thread(target=_work, args=(name, channels[name], messages, now, until, results), daemon=True).start()
    waiting = {(name, message.id) for name, messages in post.items() for message in messages}
    while waiting:
        try:
            one = results.get(timeout=max(0.0, until - monotonic()))
        except Empty:
            break
        waiting.discard((one.channel, one.message))
        ended(one)
    for name, message in sorted(waiting):
        ended(Ended(name, message, f"no answer within {timeout:g} seconds", unclear=True))


def _work(
    name: str,
    channel: Channel,
    messages: Sequence[Message],
    now: datetime,
    until: float,
    results: "SimpleQueue[Ended]",
) -> None:
    error = SENT
    for message in messages:
        if error:
            results.put(Ended(name, message.id, error))
            continue
        try:
            send(message, channel, now, max(0.5, until - monotonic()))
            results.put(Ended(name, message.id))
        except UnclearError as problem:
            error = str(problem)
            results.put(Ended(name, message.id, error, unclear=True))
        except FailedError as problem:
            error = str(problem)
            results.put(Ended(name, message.id, error))


def _post(url: str, content: bytes, headers: Mapping[str, str], timeout: float) -> None:
    """POST once. Redirects are not followed: they would hand the message, and the address, to somebody else."""
    try:
        with requests.post(
            url, data=content, headers=dict(headers), timeout=timeout, allow_redirects=False, stream=True
        ) as answer:
            status = answer.status_code
    except (requests.ConnectTimeout, requests.exceptions.SSLError):
        raise FailedError("no connection: it took too long, or its certificate is not trusted") from None
    except requests.ReadTimeout:
        raise UnclearError("no answer in time") from None
    except requests.ConnectionError as error:
        if _refused(error):
            raise FailedError("no connection") from None
        raise UnclearError("the connection broke before an answer came") from None
    except requests.RequestException as error:
        raise FailedError(f"it could not be sent ({type(error).__name__})") from None
    if 300 <= status < 400:
        raise FailedError(f"it redirects elsewhere ({status}), which is not followed; correct its url")
    if status == 429:
        raise FailedError("it asks for fewer messages (429)")
    if status >= 500:
        raise UnclearError(f"it answered {status}")
    if not 200 <= status < 300:
        raise FailedError(f"it answered {status}")


def _refused(error: BaseException) -> bool:
    """Whether no connection was made at all."""
    text = repr(error)
    return "NewConnectionError" in text or "NameResolutionError" in text
