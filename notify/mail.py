"""Messages by e-mail: their form, and the way to the mail server."""

import smtplib
import ssl
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from notify.errors import FailedError, UnclearError
from notify.settings import Email
from notify.words import Message, plain_text

PORTS = {"starttls": 587, "tls": 465, "none": 25}


def letter(message: Message, settings: Email, now: datetime) -> EmailMessage:
    """The e-mail. Its Message-ID is that of the message, so that a second copy is recognised as one."""
    mail = EmailMessage()
    sender = Address(addr_spec=settings.sender)
    mail["From"] = Address("Holdfast", addr_spec=settings.sender)
    mail["To"] = tuple(Address(addr_spec=address) for address in settings.to)
    mail["Subject"] = f"Holdfast: {message.title}"
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{message.id}@{sender.domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(plain_text(message))
    return mail


def send(message: Message, settings: Email, now: datetime, timeout: float) -> None:
    """Hand one message to the mail server.

    Raises:
        FailedError: It was not taken.
        UnclearError: It may have been.
    """
    mail = letter(message, settings, now)
    handed = False
    try:
        with _server(settings, timeout) as server:
            if settings.username is not None and settings.password is not None:
                server.login(settings.username, settings.password.get_secret_value())
            handed = True
            refused = server.send_message(mail)
            handed = False
            if refused:
                raise FailedError(f"the mail server refused {len(refused)} of {len(settings.to)} recipients")
    except smtplib.SMTPNotSupportedError:
        raise FailedError("the mail server does not offer what the settings ask for (STARTTLS or logging in)") from None
    except smtplib.SMTPAuthenticationError as error:
        raise FailedError(f"the mail server refused user name or password ({error.smtp_code})") from None
    except smtplib.SMTPResponseException as error:
        raise FailedError(f"the mail server refused it ({error.smtp_code})") from None
    except smtplib.SMTPRecipientsRefused:
        raise FailedError("the mail server refused every recipient") from None
    except ssl.SSLCertVerificationError:
        raise FailedError("the mail server's certificate is not trusted") from None
    except (OSError, smtplib.SMTPException) as error:
        if handed:
            raise UnclearError("the connection to the mail server broke while it was sent") from None
        raise FailedError(f"the mail server cannot be reached ({type(error).__name__})") from None


def _server(settings: Email, timeout: float) -> smtplib.SMTP:
    port = settings.port or PORTS[settings.security]
    context = ssl.create_default_context(cafile=settings.ca_file)
    if settings.security == "tls":
        return smtplib.SMTP_SSL(settings.host, port, timeout=timeout, context=context)
    server = smtplib.SMTP(settings.host, port, timeout=timeout)
    if settings.security == "starttls":
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
    return server
