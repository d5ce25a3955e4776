"""The OMERO replicas answer as IDR and a stock server were seen to; nothing here knows a spider."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

from tests.replicas.client import ask

if TYPE_CHECKING:
    from replicas.process import ReplicaProcess


def get(replica: ReplicaProcess, path: str) -> Any:
    status, headers, body = ask(f"{replica.url}/{path}")
    assert (status, headers["Content-Type"].split(";")[0]) == (200, "application/json")
    return json.loads(body)


def test_idr_is_half_closed(replica: ReplicaProcess) -> None:
    url = f"{replica.url}/idr/webgateway"
    assert ask(f"{url}/render_image/9846137/0/0/")[0] == 403
    status, headers, _ = ask(f"{url}/archived_files/download/9846137/")
    assert status == 302
    status, page_headers, body = ask(f"{replica.url}{headers['Location']}")
    assert (status, page_headers["Content-Type"].split(";")[0]) == (200, "text/html")
    assert len(body) > 148_000
    data = get(replica, "idr/webgateway/imgData/9846137/")
    assert data.keys() == {"Exception", "id", "meta", "perms"}
    urls = get(replica, "idr/image/9846138/download_urls/")
    assert " (20x #2)" in urls["download_urls"][0]
    assert "error" in get(replica, "idr/image/9846140/download_urls/")


def test_a_stock_server_hands_out_files(replica: ReplicaProcess) -> None:
    url = f"{replica.url}/omero/webgateway/archived_files/download"
    status, headers, body = ask(f"{url}/7100/")
    assert (status, int(headers["Content-Length"])) == (200, len(body))
    assert "one.lif" in headers["Content-Disposition"]
    _, headers, body = ask(f"{url}/7108/")
    assert zipfile.ZipFile(io.BytesIO(body)).namelist() == ["three.lif", "notes.txt"]
    assert "three.lif.zip" in headers["Content-Disposition"]
    # omero.web.public.get_only: another method is led to the login page.
    assert "/login/" in ask(f"{url}/7108/", method="POST")[1]["Location"]
    assert ask(f"{url}/9846140/")[0] == 404
    assert ask(f"{replica.url}/omero/image/7100/download_urls/")[0] == 404
    assert "size" in get(replica, "omero/webgateway/imgData/7100/")


def test_lists_are_clamped_without_a_word(replica: ReplicaProcess) -> None:
    page = get(replica, "idr/api/v0/m/datasets/71/images/?limit=5000&nonsense=1")
    assert page["meta"] == {"offset": 0, "limit": 5, "maxLimit": 5, "totalCount": 12}
    assert len(page["data"]) == 5
    last = get(replica, "idr/api/v0/m/datasets/71/images/?limit=5000&offset=10")
    assert [image["@id"] for image in last["data"]] == [7110, 7111]
    assert "PhysicalSizeX" not in last["data"][0]["Pixels"]


def test_a_project_and_a_screen_share_a_number(replica: ReplicaProcess) -> None:
    answer = get(replica, "idr/webclient/api/annotations/?type=map&project=7")
    assert [a["link"]["parent"]["class"] for a in answer["annotations"]] == ["ScreenI"]
