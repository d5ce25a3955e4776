"""The container's image, step by step, and the services of compose.yaml in it."""

from __future__ import annotations

import shlex
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.conftest import ROOT, until
from tests.container_image import Image, cannot

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
CLIENT = """
from distributed import Client
client = Client("tcp://scheduler:8786", timeout=60)
client.wait_for_workers(2, timeout=60)
print(*client.run(lambda: __import__("imgcrawl").__file__).values())
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    folder = tmp_path_factory.mktemp("container")
    if why := cannot(folder):
        pytest.skip(why)
    with Image(folder / "image") as built:
        built.build()
        assert "None could be had" not in built.said  # no Chromium
        yield built
    shutil.rmtree(folder)  # more than a gigabyte


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_image_crawls_as_the_user_of_the_container(image: Image) -> None:
    who = image.run("id -un; grep CapBnd /proc/self/status; touch /imgcrawl/x /etc/x")
    assert who.stdout.split() == ["imgcrawl", "CapBnd:", "0000000000000000"]
    assert "/etc/x" in who.stderr
    assert "/imgcrawl/x" not in who.stderr
    crawled = image.run("scrapy demo")
    assert crawled.returncode == 0, crawled.stdout + crawled.stderr
    assert "stored" in crawled.stdout
    left = image.run("ls -a")
    assert not {".git", ".hypothesis", "build"} & {*left.stdout.split()}
    assert image.run("ls imgcrawl/data").stdout  # is no dataset's, and no part of what is ignored


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_services_of_compose_run_in_it(image: Image) -> None:
    network = image.network()
    image.run(
        "echo '127.0.0.1 scheduler' >> /etc/hosts", user="root"
    )  # which an engine's DNS tells
    refused = image.run(shlex.join(image.cmd))
    assert refused.returncode == 2
    assert "set SCRAPYD_PASSWORD" in refused.stderr
    password = "export SCRAPYD_PASSWORD=a-long-enough-password; "
    scrapyd = image.start(password + shlex.join(image.cmd), network)
    check = password + shlex.join(image.healthcheck)
    until(lambda: image.run(check, network=network).returncode == 0, every=1)
    open_page = "import urllib.request as u; u.urlopen('http://127.0.0.1:6800/')"
    assert "401" in image.run(shlex.join(["python", "-c", open_page]), network=network).stderr
    cluster = [image.start(shlex.join(SERVICES["scheduler"]["command"]), network)]
    worker = shlex.join(SERVICES["worker"]["command"])
    cluster += [image.start(worker, network) for _ in range(2)]
    told = image.run(shlex.join(["python", "-c", CLIENT]), network=network)
    assert told.stdout.split() == ["/imgcrawl/imgcrawl/__init__.py"] * 2, told.stderr
    assert all(service.poll() is None for service in (scrapyd, *cluster))
