"""The section of labels that ask for schedules: whether they are followed, as whom, told where. Words only."""

from __future__ import annotations

from pydantic import Field, field_validator

from bot.sections import Section, known_zone, somebody


class DiscoverySection(Section):
    """What comes of a label such as `shipkeeper.schedule=daily at 03:00` on a volume or a container.

    Whoever may create containers on a host decides there what is backed up when, if such labels are followed.
    """

    apply: bool = Field(False, description="make the schedules by itself; else it only proposes them")
    minutes: int = Field(10, ge=0, le=1440, description="how often all hosts are looked at; 0: never")
    owner: str = Field(
        "cli:settings", description="as whom: a Slack user id or cli:NAME; their right is asked at each run"
    )
    channel: str = Field(
        "",
        pattern=r"^([CDG][A-Z0-9]{2,20})?$",
        description="the id of the Slack channel that is told; the one of alarms, if empty",
    )
    zone: str = Field("UTC", description="whose clock the labels mean, such as Asia/Seoul")
    quiet: bool = Field(True, description="tell of the runs only if they do not succeed")
    prune: bool = Field(False, description="after a backup that succeeded, prune what was backed up")

    _is_somebody = field_validator("owner")(somebody)

    _known = field_validator("zone")(known_zone)
