"""The storage that IMAGES_STORE and FILES_STORE name."""

from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.records.errors import ArgumentError, StoreError
from imgcrawl.records.extras import EXTRAS
from imgcrawl.storage.ftp import FtpStorage
from imgcrawl.storage.open_store import media_storage
from tests.stores import BUCKET, running_google, running_s3

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def settings_of(tmp_path: Path, **settings: Any) -> dict[str, Any]:
    return {"OUT": str(tmp_path / "out"), "IMAGES_STORE": None, "FILES_STORE": None, **settings}


def test_without_a_setting_files_go_to_out(tmp_path: Path) -> None:
    storage = media_storage("IMAGES_STORE", settings_of(tmp_path))
    storage.put(b"x", "images/1.jpg")
    assert (tmp_path / "out/images/1.jpg").read_bytes() == b"x"
    assert storage.is_local


@pytest.mark.parametrize("before", ["", "file://"])
def test_a_folder_is_a_folder(tmp_path: Path, before: str) -> None:
    folder = tmp_path / "a:b"
    settings = settings_of(tmp_path, FILES_STORE=f"{before}{folder}")
    media_storage("FILES_STORE", settings).put(b"x", "1.bin")
    assert (folder / "1.bin").read_bytes() == b"x"


@pytest.mark.parametrize("place", ["az://container/x", "http://host/x", "://"])
def test_another_address_is_refused(tmp_path: Path, place: str) -> None:
    with pytest.raises(ArgumentError, match="files go to a folder, s3:// or gs://"):
        media_storage("FILES_STORE", settings_of(tmp_path, FILES_STORE=place))


# As Scrapy has it, what is not ended by a slash is the beginning of every name.
@pytest.mark.parametrize(("prefix", "key"), [("a/", "a/1"), ("a", "a1"), ("", "1")])
def test_scrapys_settings_count_for_s3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str, key: str
) -> None:
    with running_s3() as store:
        settings = settings_of(
            tmp_path,
            IMAGES_STORE=f"s3://{BUCKET}/{prefix}",
            IMAGES_STORE_S3_ACL="public-read",
            FILES_STORE_S3_ACL="private",
            AWS_ENDPOINT_URL=store.url,
            AWS_ACCESS_KEY_ID="test",
            AWS_SECRET_ACCESS_KEY="test",
            AWS_REGION_NAME="us-east-1",
        )
        media_storage("IMAGES_STORE", settings).put(b"x", "1")
        assert store.keys() == [key]
        grants = store.client.get_object_acl(Bucket=BUCKET, Key=key)["Grants"]
        assert any("AllUsers" in grant["Grantee"].get("URI", "") for grant in grants)
        head = store.client.head_object(Bucket=BUCKET, Key=key)
        assert head["CacheControl"] == "max-age=172800"


def test_a_profile_of_the_user_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [*os.environ]:
        if variable.startswith("AWS_"):
            monkeypatch.delenv(variable)
    with running_s3() as store:
        (tmp_path / ".aws").mkdir()
        keys = "aws_access_key_id = test\naws_secret_access_key = test\n"
        (tmp_path / ".aws/credentials").write_text(f"[lab]\n{keys}")
        place = f"region = us-east-1\nendpoint_url = {store.url}\n"
        (tmp_path / ".aws/config").write_text(f"[profile lab]\n{place}")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("AWS_PROFILE", "lab")
        settings = settings_of(tmp_path, FILES_STORE=f"s3://{BUCKET}/a/")
        media_storage("FILES_STORE", settings).put(b"x", "1")
        assert store.keys() == ["a/1"]
        monkeypatch.setenv("AWS_PROFILE", "no-such")
        with pytest.raises(StoreError, match=r"no-such.*AWS_PROFILE"):
            media_storage("FILES_STORE", settings)


def test_scrapys_settings_count_for_google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_google() as store:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", store.url)
        settings = settings_of(tmp_path, **store.settings, FILES_STORE=f"gs://{BUCKET}/a/")
        media_storage("FILES_STORE", settings).put(b"x", "1")
        assert not any("predefinedAcl" in path for _, path in store.requests)
        settings["FILES_STORE_GCS_ACL"] = "publicRead"
        media_storage("FILES_STORE", settings).put(b"x", "2")
        assert any("predefinedAcl=publicRead" in path for _, path in store.requests)
        assert store.keys() == ["a/1", "a/2"]


@pytest.mark.parametrize(("scheme", "extra"), [("s3", "s3"), ("gs", "gcs")])
def test_a_library_that_is_not_installed_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, extra: str
) -> None:
    monkeypatch.setitem(EXTRAS, extra, (f"{scheme}:// needs", "no_package_of_that_name"))
    settings = settings_of(tmp_path, IMAGES_STORE=f"{scheme}://{BUCKET}/")
    with pytest.raises(ArgumentError, match=rf"Type: pip install 'imgcrawl\[{extra}\]'"):
        media_storage("IMAGES_STORE", settings)


class FtpServer:
    """As much of FTP as an upload needs: one client, one file."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.data = b""
        self._control = socket.create_server(("127.0.0.1", 0))
        self.port = self._control.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._thread.join(10)
        self._control.close()

    def _serve(self) -> None:
        client, _ = self._control.accept()
        passive = socket.create_server(("127.0.0.1", 0))
        answers = {"USER": "331 Password", "PASS": "230 In", "CWD": "250 Yes", "TYPE": "200 Yes"}
        with client, passive, client.makefile("rw", newline="\r\n") as talk:
            talk.write("220 Ready\n")
            talk.flush()
            for line in talk:
                verb = line.split()[0]
                self.commands.append(line.strip())
                if verb == "EPSV":
                    answer = f"229 Entering (|||{passive.getsockname()[1]}|)"
                elif verb == "PASV":
                    high, low = divmod(passive.getsockname()[1], 256)
                    answer = f"227 Entering (127,0,0,1,{high},{low})"
                elif verb == "STOR":
                    talk.write("150 Go\n")
                    talk.flush()
                    connection, _ = passive.accept()
                    with connection:
                        while piece := connection.recv(1 << 16):
                            self.data += piece
                    answer = "226 Done"
                else:
                    answer = answers.get(verb, "221 Bye")
                talk.write(f"{answer}\n")
                talk.flush()
                if verb == "QUIT":
                    return


@pytest.fixture
def ftp() -> Iterator[FtpServer]:
    server = FtpServer()
    yield server
    server.close()


def test_an_ftp_server_takes_pictures(tmp_path: Path, ftp: FtpServer) -> None:
    settings = settings_of(
        tmp_path,
        IMAGES_STORE=f"ftp://127.0.0.1:{ftp.port}/sets/a/",
        FTP_USER="me",
        FTP_PASSWORD="secret",
        FEED_STORAGE_FTP_ACTIVE=False,
    )
    storage = media_storage("IMAGES_STORE", settings)
    assert isinstance(storage, FtpStorage)
    file = tmp_path / "source"
    file.write_bytes(b"picture")
    storage.move(file, "images/1.jpg", {"width": "1"})
    assert not file.exists()
    assert ftp.data == b"picture"
    assert {"USER me", "PASS secret", "CWD /sets/a/images", "STOR 1.jpg"} <= set(ftp.commands)
    with pytest.raises(StoreError, match="can only be put there"):
        storage.size("images/1.jpg")
    assert "secret" not in str(storage)


def test_an_ftp_server_that_is_not_there(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = settings_of(
        tmp_path,
        IMAGES_STORE=f"ftp://me:secret@127.0.0.1:{port}/",
        FTP_USER=None,
        FTP_PASSWORD=None,
        FEED_STORAGE_FTP_ACTIVE=False,
    )
    with pytest.raises(StoreError, match=r"ftp://127\.0\.0\.1: .*refused"):
        media_storage("IMAGES_STORE", settings).put(b"x", "1.jpg")
