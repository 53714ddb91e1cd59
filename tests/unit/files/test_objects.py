"""Objects in a folder and in what speaks S3: the same promises of both."""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from libs.files.objects import Missing, Objects

NOW, LATER = timedelta(), timedelta(hours=1)


class Bucket:
    """As much of S3 as is asked for, in memory; it answers nobody without a signature of its key."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.app = web.Application()
        self.app.router.add_route("*", "/{path:.*}", self.answer)

    async def answer(self, request: web.Request) -> web.Response:
        if "Credential=someone/" not in request.headers.get("authorization", ""):
            return web.Response(status=403)
        name = unquote(request.path).removeprefix("/bucket/")
        if request.method == "PUT":
            self.objects[name] = await request.read()
            return web.Response(headers={"etag": '"1"'})
        if request.query.get("list-type") == "2":
            return web.Response(text=self._list(), content_type="application/xml")
        if request.method == "DELETE":
            self.objects.pop(name, None)
            return web.Response(status=204)
        if request.method == "POST" and "delete" in request.query:
            sent = ElementTree.fromstring(await request.read())  # noqa: S314 - our own library's
            gone = [key.text or "" for key in sent.iter() if key.tag.endswith("Key")]
            for key in gone:
                self.objects.pop(key, None)
            told = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in gone)
            return web.Response(text=f"<DeleteResult>{told}</DeleteResult>", content_type="application/xml")
        if name not in self.objects:
            return web.Response(status=404)
        headers = {"etag": '"1"', "last-modified": datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")}
        return web.Response(body=self.objects[name], headers=headers)

    def _list(self) -> str:
        at = datetime.now(UTC).isoformat()
        found = "".join(
            f"<Contents><Key>{name}</Key><Size>{len(content)}</Size><LastModified>{at}</LastModified>"
            '<ETag>"1"</ETag></Contents>'
            for name, content in sorted(self.objects.items())
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>"


@pytest.fixture(params=["folder", "bucket"])
async def objects(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Objects]:
    if request.param == "folder":
        yield Objects.in_folder(tmp_path / "objects")
        return
    server = TestServer(Bucket().app)
    await server.start_server()
    endpoint = str(server.make_url("")).rstrip("/")
    yield Objects.in_bucket("s3://bucket/intake", endpoint, "local", "someone", "secret")
    await server.close()


async def names(objects: Objects, age: timedelta) -> list[str]:
    return [name async for found in objects.older(age) for name in found]


async def test_what_was_put_is_read_in_pieces_and_dropped(objects: Objects) -> None:
    await objects.put("ab/one", b"0123456789")
    await objects.put("cd/two", bytearray(b"x"))
    assert [piece async for piece in objects.read("ab/one", 4)] == [b"0123", b"4567", b"89"]
    assert [piece async for piece in objects.read("ab/one", 10)] == [b"0123456789"]
    assert sorted(await names(objects, NOW - LATER)) == ["ab/one", "cd/two"]
    assert await names(objects, LATER) == []
    await objects.drop(["ab/one", "ab/one", "nothing/there"])
    assert await names(objects, NOW - LATER) == ["cd/two"]


async def test_what_is_not_there_is_told_as_missing(objects: Objects) -> None:
    with pytest.raises(Missing):
        await anext(objects.read("ab/none", 4))


async def test_what_was_put_has_reached_the_disk_with_its_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda handle: forced.append(Path(f"/proc/self/fd/{handle}").readlink()))
    await Objects.in_folder(tmp_path).put("ab/one", b"x")
    assert forced == [tmp_path / "ab/one", tmp_path / "ab", tmp_path]


async def test_a_folder_is_its_owners_alone(tmp_path: Path) -> None:
    Objects.in_folder(tmp_path / "objects")
    assert (tmp_path / "objects").stat().st_mode & 0o77 == 0


async def test_what_a_crash_left_half_written_goes_with_its_age(tmp_path: Path) -> None:
    objects = Objects.in_folder(tmp_path)
    half = tmp_path / "one#1"
    half.write_bytes(b"half")
    assert await names(objects, LATER) == []
    assert half.exists()
    await names(objects, NOW)
    assert not half.exists()
