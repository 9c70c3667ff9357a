"""What every table of `guardian.db` is made with."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import Column, LargeBinary, MetaData, Text
from sqlmodel import Field, SQLModel


class Table(SQLModel):
    """The base of guardian's own tables."""

    metadata: ClassVar[MetaData] = MetaData()


def text_column(*, required: bool = True, unique: bool = False) -> Any:  # noqa: ANN401 - what SQLModel's Field gives
    return Field(sa_column=Column(Text, nullable=not required, unique=unique))


def blob_column(*, unique: bool = False, required: bool = True) -> Any:  # noqa: ANN401 - what SQLModel's Field gives
    return Field(sa_column=Column(LargeBinary, nullable=not required, unique=unique))
