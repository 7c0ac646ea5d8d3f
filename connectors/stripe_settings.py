"""What the config says about a Stripe account. Reading it needs no HTTP library."""

import re

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

_KEY = re.compile(r"(rk|sk)_(live|test)_\S+")


class Settings(BaseModel):
    """What the admin says about a Stripe account."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    key: SecretStr = Field(description="Restricted key (rk_live_...) with read access; see docs/vendors/stripe.md.")
    allow_secret_key: bool = Field(
        False, description="Take a live secret key (sk_live_...) too, which may do everything in the account."
    )
    api_version: str = Field(
        "2026-06-24.dahlia",
        pattern=r"^20\d\d-\d\d-\d\d(\.[a-z]+)?$",
        description="Stripe API version that every request asks for; both older and newer ones can be read.",
    )
    history_days: int = Field(
        400, ge=1, le=3650, description="Days of invoices the first pull reads; open ones are read whatever their age."
    )
    base_url: str = Field(
        "https://api.stripe.com", description="Another address to talk to; plain http for loopback only."
    )

    @model_validator(mode="after")
    def _right_key(self) -> "Settings":
        found = _KEY.fullmatch(self.key.get_secret_value())
        if found is None:
            raise ValueError("key must start with rk_live_ or rk_test_: make a restricted key (Developers, API keys)")
        if found[1] == "sk" and found[2] == "live" and not self.allow_secret_key:
            raise ValueError(
                "key is a live secret key, which may do everything in the account: make a restricted key with read "
                "access, or set allow_secret_key = true"
            )
        return self

    @property
    def live(self) -> bool:
        """Whether the key opens the live account, not its test data."""
        return self.key.get_secret_value()[3:8] == "live_"

    @property
    def restricted(self) -> bool:
        """Whether the key has only the rights that somebody chose."""
        return self.key.get_secret_value().startswith("rk_")
