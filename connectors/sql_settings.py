"""What the config says about a database that is read by SQL. Reading it needs no database library."""

from pydantic import Field, SecretStr, model_validator

from connectors.config_streams import USAGE, StreamSettings, StreamTable

DAY_HOURS = 24


class SqlTable(StreamTable):
    """One table, view or query."""

    table: str = Field("", description='A table or view: "customers", or "schema.customers".')
    query: str = Field("", description="In place of `table`, a SELECT; it is read as if it were a view.")
    id: str = Field("id", min_length=1, description="Column that tells rows apart, by which equal stamps are ordered.")
    cursor: str = Field(
        "",
        description="Column that grows whenever a row is made or changed: a time of the last change, or a number. "
        "Left out, the whole table is read again every `full_every_hours`.",
    )
    overlap: int = Field(
        600,
        ge=0,
        le=82_800,
        description="How far before the last stamp to read again, in seconds, for rows that are committed late. For "
        "a cursor that is a number there is none.",
    )
    full_every_hours: int | None = Field(
        None,
        ge=0,
        le=8_760,
        description="Hours after which everything is read again, by which deleted rows are noticed; 0: never. Left "
        "out: 24 without a cursor, never with one.",
    )
    optional: bool = Field(False, description="True: that the table may not be read is reported, and no failure.")

    @model_validator(mode="after")
    def _one_place(self) -> "SqlTable":
        if bool(self.table) == bool(self.query):
            raise ValueError("needs either table or query")
        if self.record == USAGE and not self.cursor:
            raise ValueError("cursor: is missing; events are only counted once, so it must be known which are new")
        if self.record == USAGE and self.full_every_hours:
            raise ValueError("full_every_hours: events are never read again")
        if not self.cursor and self.full_every_hours == 0:
            raise ValueError("full_every_hours: must be more than 0 where there is no cursor")
        return self

    @property
    def full_hours(self) -> int:
        """Hours after which everything is read again; 0: never."""
        return (0 if self.cursor else DAY_HOURS) if self.full_every_hours is None else self.full_every_hours


class Settings(StreamSettings):
    """What the admin says about a database."""

    url: SecretStr = Field(
        description="SQLAlchemy URL with user and password, such as postgresql://reader:...@db.example/warehouse."
    )
    db_schema: str = Field("", alias="schema", description="Schema of tables that are named without one.")
    statement_timeout: int = Field(
        300, ge=1, le=86_400, description="Seconds after which the database gives up a statement."
    )
    streams: dict[str, SqlTable] = Field(
        default_factory=dict, description="Name of a stream -> its table or query; see [SQL](vendors/sql.md)."
    )
