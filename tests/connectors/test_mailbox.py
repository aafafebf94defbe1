"""The source `mailbox`: tables that come by mail, on a real IMAP server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from email.message import EmailMessage
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr

from bus.errors import DocumentError
from connectors import Json, Mark, Row, SourceDown
from connectors.kit.plugin import conforms
from connectors.kit.twin import CANARY
from connectors.mail.config import MailboxConfig
from connectors.mail.place import KNOWN_MAX, Place
from connectors.mail.server import Lying
from connectors.sources.mailbox import Mailbox
from connectors.twins.mailbox import MailboxTwin, table
from tests.connectors.services import (
    bad,
    context,
    keys,
    last_position,
    left_in,
    own_certificate,
    read,
)

test_conforms = conforms(Mailbox, MailboxTwin, kills_max=40)


def but(config: MailboxConfig, **others: object) -> MailboxConfig:
    return MailboxConfig.model_validate({**dict(config), **others})


class FlaggingTwin(MailboxTwin):
    settings: ClassVar[Mapping[str, Any]] = {"flag": "\\Seen"}


async def test_a_row_is_named_by_its_mail_its_file_and_its_line(tmp_path: Path) -> None:
    async with MailboxTwin() as twin:
        await twin.put({"s-1": "Школа № 1", "s-2": "x"})
        items = await read(Mailbox, twin.config, tmp_path)
        rows = [one for one in items if isinstance(one, Row)]
        assert [one.place for one in rows] == [
            "1@schools.example/школы.csv:2",
            "1@schools.example/школы.csv:3",
        ]
        assert rows[0].cells == {"number": "s-1", "name": "Школа № 1"}
        assert not left_in(tmp_path), "nothing is left in the spool"


async def test_a_mail_without_a_table_needs_a_person(tmp_path: Path) -> None:
    async with MailboxTwin() as twin:
        mail = EmailMessage()
        mail.set_content("See the picture.")
        mail.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="scan.png")
        await twin.send(mail)
        await twin.send(table(b"%PDF-1.7", name="table.csv"))
        first, second = bad(await read(Mailbox, twin.config, tmp_path))
        assert "needs a person" in str(first.why)
        assert "See the picture." in first.raw
        assert second.place == "2@schools.example/table.csv"
        assert "can't be read as a table" in str(second.why)
        assert str(tmp_path) not in str(second.why)


async def test_mails_of_others_are_passed_over_and_the_position_moves(tmp_path: Path) -> None:
    async with MailboxTwin() as twin:
        await twin.stir()
        stranger = table(b"number;name\nf-1;x\n")
        stranger["From"] = "registry@schools.example.evil"
        await twin.send(stranger)
        items = await read(Mailbox, twin.config, tmp_path)
        assert [type(one) for one in items] == [Mark, Mark]
        domain = but(twin.config, from_only=("@schools.example.EVIL",))
        assert keys(await read(Mailbox, domain, tmp_path)) == ["f-1"]


async def test_mails_that_are_numbered_anew_are_known_again(tmp_path: Path) -> None:
    async with MailboxTwin() as twin:
        await twin.put({"s-1": "first"})
        await twin.put({"s-1": "second"})
        position = last_position(await read(Mailbox, twin.config, tmp_path))
        await twin.number_anew()
        await twin.put({"s-2": "first"})
        items = await read(Mailbox, twin.config, tmp_path, position)
        assert keys(items) == ["s-2"], "the others were read already"
        assert await read(Mailbox, twin.config, tmp_path, last_position(items)) == []
        assert len(keys(await read(Mailbox, twin.config, tmp_path))) == 3


async def test_two_mails_of_one_message_id_are_both_read(tmp_path: Path) -> None:
    async with MailboxTwin() as twin:
        for key in ("s-1", "s-2"):
            mail = table(f"number;name\n{key};x\n".encode())
            mail["Message-ID"] = "<always-the-same@schools.example>"
            await twin.send(mail)
        assert keys(await read(Mailbox, twin.config, tmp_path)) == ["s-1", "s-2"]


async def test_a_long_table_is_read_on_within_it_and_only_in_its_own_mail(tmp_path: Path) -> None:
    async with MailboxTwin() as twin:
        await twin.put({f"s-{number}": "x" for number in range(2_500)})
        items = await read(Mailbox, twin.config, tmp_path)
        within = next(one.position for one in items if isinstance(one, Mark))
        rest = keys(await read(Mailbox, twin.config, tmp_path, within))
        assert rest == [f"s-{number}" for number in range(1_000, 2_500)]
        another: Json = {**within, "begun": [within["begun"][0] + 1, 1_000]}
        assert len(keys(await read(Mailbox, twin.config, tmp_path, another))) == 2_500


async def test_what_is_too_large_or_too_much_is_told_and_not_read(tmp_path: Path) -> None:
    async with MailboxTwin() as twin:
        await twin.put({"s-1": "x" * 5_000})
        mail = table(b"number;name\ns-2;x\n")
        mail.add_attachment(b"a;b", maintype="text", subtype="csv", filename="more.csv")
        await twin.send(mail)
        config = but(twin.config, mail_bytes_max=3_000, attachments_max=1)
        first, second = bad(await read(Mailbox, config, tmp_path))
        assert "more than 3000" in str(first.why)
        assert "brings 2 tables" in str(second.why)


async def test_a_mail_gets_its_flag_once_its_rows_are_on_the_bus(tmp_path: Path) -> None:
    async with FlaggingTwin() as twin:
        await twin.put({"s-1": "first"})
        await twin.stir()
        await twin.put({"s-2": "first"})
        items = await read(Mailbox, twin.config, tmp_path)
        assert await twin.flags() == [set(), set(), set()]
        first = next(one.position for one in items if isinstance(one, Mark))
        await Mailbox(twin.config, context(tmp_path)).acked(first)
        assert await twin.flags() == [{"\\Seen"}, set(), set()]
        await Mailbox(twin.config, context(tmp_path)).acked(last_position(items))
        assert await twin.flags() == [{"\\Seen"}, set(), {"\\Seen"}]


async def test_without_a_flag_nothing_is_changed_in_the_mailbox(tmp_path: Path) -> None:
    async with MailboxTwin() as twin:
        await twin.put({"s-1": "first"})
        items = await read(Mailbox, twin.config, tmp_path)
        await Mailbox(twin.config, context(tmp_path)).acked(last_position(items))
        assert await twin.flags() == [set()]


async def test_a_wrong_login_or_folder_is_told_without_the_password(tmp_path: Path) -> None:
    async with MailboxTwin() as twin:
        for wrong, said in (
            ({"password": f"not-{CANARY}"}, "does not accept the login of bus"),
            ({"folder": "Реестр"}, "has no folder Реестр"),
        ):
            config = but(twin.config, **wrong)
            with pytest.raises(DocumentError, match=said) as problem:
                await read(Mailbox, config, tmp_path)
            assert CANARY not in str(problem.value)
            (finding,) = await Mailbox(config, context(tmp_path)).check()
            assert said in str(finding)
        assert not await Mailbox(twin.config, context(tmp_path)).check()


async def test_a_certificate_is_checked_by_the_own_authority(tmp_path: Path) -> None:
    ca_file, secured = own_certificate(tmp_path)
    async with MailboxTwin(secured=secured) as twin:
        await twin.put({"s-1": "first"})
        config = but(twin.config, security="tls")
        with pytest.raises(SourceDown, match="CERTIFICATE_VERIFY_FAILED"):
            await read(Mailbox, config, tmp_path)
        assert keys(await read(Mailbox, but(config, ca_file=ca_file), tmp_path)) == ["s-1"]


async def test_a_server_that_says_nothing_is_left_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        config = MailboxConfig(
            host="127.0.0.1",
            port=deaf.getsockname()[1],
            security="none",
            user="bus",
            password=SecretStr(CANARY),
            timeout_s=1,
        )
        with pytest.raises(SourceDown):
            await read(Mailbox, config, tmp_path)
        async with asyncio.timeout(5):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(read(Mailbox, config, tmp_path), 0.1)


async def test_tables_of_the_latest_mails_are_found(tmp_path: Path) -> None:
    async with MailboxTwin() as twin:
        await twin.put({"s-1": "first"})
        (found,) = await Mailbox(twin.config, context(tmp_path)).discover()
        assert found.columns == {"number": "string", "name": "string"}
        assert found.name == "школы.csv"


def test_what_is_known_again_stays_small_and_forgets_the_oldest_by_its_time() -> None:
    place = Place(validity=1)
    for uid in range(1, KNOWN_MAX + 11):
        place = place.read(Lying(uid=uid, size_bytes=1, arrived_s=uid), f"{uid:012x}")
    assert len(str(place.position)) < 64 * 1024
    assert Place.of(place.position) == place
    anew = Place(**{**place.position, "known": place.known, "begun": (0, 0), "again_to": 5_000})
    assert anew.knows(Lying(uid=7, size_bytes=1, arrived_s=10), "forgotten")
    assert not anew.knows(Lying(uid=7, size_bytes=1, arrived_s=11), "never read")
    assert not anew.knows(Lying(uid=7, size_bytes=1, arrived_s=0), "never read")
    assert not anew.knows(Lying(uid=5_001, size_bytes=1, arrived_s=3), f"{20:012x}")
