"""What stands under ``records`` in a station file: where they go, which pictures are kept, and for how long."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from partgate.configfile import RelativePath, Settings
from partgate.secrets import SecretSource


class DatabaseConfig(Settings):
    """A PostgreSQL server for the records of several stations; pictures stay on the station's own PC."""

    host: str = Field(min_length=1, description="name or address of the PostgreSQL server")
    port: int = Field(default=5432, ge=1, le=65535, description="TCP port of the server")
    name: str = Field(min_length=1, description="database on the server")
    user: str = Field(min_length=1, description="who writes; must own the database or may create tables in it")
    password: SecretSource = Field(description="where the password lies")
    tls: Literal["verify", "none"] = Field(
        default="verify", description="verify: encrypted, and the server's certificate must fit; none: in the clear"
    )
    ca: RelativePath | None = Field(
        default=None, description="certificate of the authority that signed the server's; without, those of the PC"
    )
    answer_within_s: float = Field(default=5, gt=0, le=60, description="a server that answers later counts as lost")


class PicturesConfig(Settings):
    """Which pictures are kept, and how."""

    keep: Literal["all", "not_good", "none"] = Field(default="all", description="which pictures are kept")
    good_share: float = Field(
        default=0, ge=0, le=1, description="with keep not_good: this share of GOOD as well, drawn by trigger number"
    )
    format: Literal["png", "jpeg"] = Field(
        default="png",
        description="png: every pixel as it was, so that a replay gives the same score; jpeg: smaller, not exact",
    )
    quality: int = Field(default=90, ge=1, le=100, description="of JPEG")

    @model_validator(mode="after")
    def _share_needs_a_choice(self) -> Self:
        if self.good_share and self.keep != "not_good":
            raise ValueError(f"good_share {self.good_share:g} needs keep: not_good, got keep: {self.keep}")
        return self


class RetentionConfig(Settings):
    """When pictures are deleted, oldest first; records never are, nor a picture that is under review."""

    days: int | None = Field(default=None, ge=1, le=36500, description="a picture is deleted after so many days")
    gigabytes: float | None = Field(
        default=None, gt=0, description="the oldest are deleted while this station's pictures take more (10^9 bytes)"
    )

    @model_validator(mode="after")
    def _names_a_limit(self) -> Self:
        if self.days is None and self.gigabytes is None:
            raise ValueError("must name days, gigabytes or both")
        return self


class RecordsConfig(Settings):
    """Where records go."""

    folder: RelativePath = Field(description="folder for records.sqlite and pictures, from this file's folder")
    database: DatabaseConfig | None = Field(
        default=None, description="PostgreSQL instead of records.sqlite, for the records of several stations"
    )
    when_unwritable: Literal["continue", "lock"] = Field(
        default="continue",
        description="disk full or database away: continue sorts on, raises fault 6 and keeps records in memory, what "
        "finds no room there is declared as a gap; lock gives no GOOD until records are written again",
    )
    pictures: PicturesConfig = Field(default=PicturesConfig(), description="which pictures are kept, and how")
    retention: RetentionConfig | None = Field(
        default=None, description="when pictures are deleted; without it they never are"
    )


def records_at(where: Path | RecordsConfig) -> RecordsConfig:
    """Return the settings of records; those of a folder alone are the usual ones.

    Example:
        >>> records_at(Path("records")).pictures.format
        'png'
    """
    return where if isinstance(where, RecordsConfig) else RecordsConfig(folder=where)
