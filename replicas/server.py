"""One server, many sites, each under the first part of its paths."""

from __future__ import annotations

import html
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from replicas import faults as faults_
from replicas import (
    imagenet,
    large,
    mirror,
    neuroglancer,
    omero,
    pages_js,
    repositories,
    repository_world,
)
from replicas.files import files
from replicas.indexes import indexes
from replicas.isic import IsicSite
from replicas.isic_masks import IsicMasks
from replicas.isic_world import IsicWorld
from replicas.odd_links import odd_links
from replicas.paged import paged
from replicas.stores import GROUP, HEMIBRAIN, JPEG, BucketSite
from replicas.wayback import WaybackSite
from replicas.web import ImageWeb

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from replicas.isic_records import IsicArchive

    Site = Callable[[web.Request, str], Awaitable[web.StreamResponse]]

MAX_LOGGED = 300_000  # paths
MAX_TIMES = 2_000  # requests whose time is kept

# The ISIC Archive's own: it excludes these agents, and others from the pages of `/lesions/`.
ROBOTS = """\
User-agent: Amazonbot
User-agent: AhrefsBot
User-agent: MJ12bot
Disallow: /

User-agent: *
Disallow: /lesions/
"""


@dataclass
class RequestLog:
    """The requests so far."""

    paths: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    active: int = 0
    most_active: int = 0
    longest_line: int = 0
    agents: Counter[str] = field(default_factory=Counter)
    times: list[tuple[float, str]] = field(default_factory=list)

    def begin(self, request: web.Request) -> None:
        """Count a request that came in."""
        self.requests += 1
        self.active += 1
        self.most_active = max(self.most_active, self.active)
        self.longest_line = max(self.longest_line, len(request.raw_path))
        if request.path in self.paths or len(self.paths) < MAX_LOGGED:
            self.paths[request.path] += 1
        if len(self.times) < MAX_TIMES:
            self.times.append((time.monotonic(), request.path))
        if len(self.agents) < 100:
            self.agents[request.headers.get("User-Agent", "")] += 1

    def as_json(self) -> dict[str, Any]:
        """Return the answer of ``/_log``."""
        return {
            "paths": self.paths,
            "requests": self.requests,
            "most_active": self.most_active,
            "longest_line": self.longest_line,
            "agents": self.agents,
            "times": self.times,
        }


class Replica:
    """The sites, the faults and the log behind one port."""

    def __init__(
        self, archive: IsicArchive, rules: list[dict[str, Any]], latency_ms: float
    ) -> None:
        self.archive = archive
        self.faults = faults_.Faults(rules)
        self.latency_ms = latency_ms
        self.log = RequestLog()
        self.web, self.wayback = ImageWeb(), WaybackSite()
        isic, masks = IsicSite(archive, self.faults), IsicMasks(archive)
        self.sites: dict[str, Site] = {
            "isic": isic.site,
            "isic-s3/challenges": masks.challenge,
            "isic-s3": isic.bucket,
            "zenodo/records/14201693/files": masks.zenodo,
            "files": files,
            "large": large.site,
            "imagenet": imagenet.site,
            "ebi": mirror.ebi,
            "epfl": mirror.epfl,
            "nginx": mirror.nginx,
            "bucket": mirror.bucket,
            "idr": omero.OmeroSite("idr", is_idr=True).site,
            "idr-files": omero.files,
            "omero": omero.OmeroSite("omero", is_idr=False).site,
            "s3": BucketSite("s3").site,
            "gcs": BucketSite("gcs").site,
            "wayback": self.wayback.site,
            "web/https/www.epfl.ch": _epfl_at_home,
            "web/https/idr.openmicroscopy.org": omero.OmeroSite(
                "web/https/idr.openmicroscopy.org", is_idr=True
            ).site,
            **{f"web/https/{host}": site for host, site in repositories.HOSTS.items()},
            "web": self.web.site,
            "js": pages_js.site,
            "indexes": indexes,
            "paged": paged,
            "odd": odd_links,
            "ng": neuroglancer.site,
        }

    def app(self) -> web.Application:
        """Return the aiohttp application."""
        app = web.Application()
        app.router.add_get("/_log", self._show_log)
        app.router.add_post("/_reset", self._reset)
        app.router.add_put("/_faults", self._set_faults)
        app.router.add_put("/_records", self._set_records)
        app.router.add_put("/_web", self._set_web)
        app.router.add_put("/_isic", self._set_isic)
        app.router.add_put("/_versions", self._set_versions)
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.log.begin(request)
        try:
            rules = self.faults.of(request.path, api=False)
            if self.latency_ms:
                rules = [{"kind": "latency", "ms": self.latency_ms}, *rules]
            answer = await self._site(request)
            if rules and isinstance(answer, web.Response):
                return await faults_.spoil(request, answer, rules)
            return answer
        finally:
            self.log.active -= 1

    async def _site(self, request: web.Request) -> web.StreamResponse:
        path = request.path.lstrip("/")
        for prefix, site in self.sites.items():
            if path.startswith(f"{prefix}/"):
                return await site(request, path.removeprefix(f"{prefix}/"))
        if path == "robots.txt":
            return web.Response(text=ROBOTS)
        if not path:
            return web.Response(text=self._index(request), content_type="text/html")
        return web.Response(status=404, text="<h1>Not Found</h1>", content_type="text/html")

    def _index(self, request: web.Request) -> str:
        base = f"{request.scheme}://{request.host}"
        first = self.archive.isic_id(0)
        items = "".join(
            f"<tr><td>{html.escape(title)}<td><a href='{html.escape(path)}'>{html.escape(path)}</a>"
            for title, path in _examples(first)
        )
        image = f"<img src='/isic-s3/images/{first}.jpg' alt='a generated lesion'>"
        rule = '[{"match": "isic-s3/images", "kind": "status", "status": 503, "share": 0.1}]'
        return (
            "<!doctype html><meta charset=utf-8><title>imgcrawl replica</title><style>"
            "body{font:16px/1.5 system-ui;max-width:56rem;margin:3rem auto;padding:0 1rem}"
            "td{padding:.2rem 1rem .2rem 0;vertical-align:top}img{border-radius:.5rem}"
            "pre{background:#f4f1ee;padding:1rem;border-radius:.5rem;overflow:auto}</style>"
            f"<h1>imgcrawl replica</h1>{image}<p>{self.archive.records:,} generated records. "
            f"Nothing here is real.<table>{items}</table><h2>Faults</h2>"
            f"<pre>curl -X PUT {base}/_faults -d '{html.escape(rule)}'</pre>"
        )

    async def _show_log(self, request: web.Request) -> web.Response:
        return web.json_response(self.log.as_json())

    async def _reset(self, request: web.Request) -> web.Response:
        self.log = RequestLog()
        repository_world.published["versions"] = 1
        return web.Response()

    async def _set_faults(self, request: web.Request) -> web.Response:
        try:
            self.faults.set(faults_.parse(await request.text()))
        except (ValueError, json.JSONDecodeError) as error:
            return web.Response(status=400, text=str(error))
        return web.Response()

    async def _set_web(self, request: web.Request) -> web.Response:
        try:
            mix = json.loads(await request.text())
            self.wayback.reset(mix.pop("cdx_per_minute", None))
            self.web.set(mix)
        except (TypeError, ValueError, AttributeError) as error:
            return web.Response(status=400, text=str(error))
        return web.Response()

    async def _set_versions(self, request: web.Request) -> web.Response:
        repository_world.published["versions"] = int(await request.text())
        return web.Response()

    async def _set_isic(self, request: web.Request) -> web.Response:
        try:
            self.archive.put(IsicWorld(**json.loads(await request.text())))
        except (TypeError, ValueError, AttributeError, KeyError) as error:
            return web.Response(status=400, text=str(error))
        return web.Response()

    async def _set_records(self, request: web.Request) -> web.Response:
        self.archive.records = int(await request.text())
        self.archive.put(self.archive.world)
        return web.Response()


def _examples(isic_id: str) -> list[tuple[str, str]]:
    """Return a title and an address of every site."""
    return [
        ("The ISIC Archive's API", "/isic/api/v2/images/"),
        ("... a search", "/isic/api/v2/images/search/?query=diagnosis_1:Benign AND sex:male"),
        ("... one image", f"/isic/api/v2/images/{isic_id}/"),
        ("... counts", "/isic/api/v2/images/facets/"),
        ("Its bucket: an image", f"/isic-s3/images/{isic_id}.jpg"),
        ("... masks", "/isic-s3/challenges/2017/ISIC-2017_Training_Part1_GroundTruth.zip"),
        ("IMA++ on Zenodo", "/zenodo/records/14201693/files/seg_metadata.csv?download=1"),
        (
            "ImageNet: URLs of a synset",
            "/imagenet/api/imagenet.synset.geturls?wnid=n01440764",
        ),
        (
            "A host of the web",
            "/web/http/farm4.static.flickr.com/3175/2737866473_7958dc8760.jpg",
        ),
        ("EMPIAR's files", "/ebi/empiar/world_availability/11759/data/"),
        ("One folder as each web server shows it", "/indexes/"),
        ("Galleries of many pages", "/paged/"),
        ("Repositories: a record of Zenodo", "/web/https/zenodo.org/api/records/100001"),
        ("EPFL's page", "/epfl/labs/cvlab/data/data-em/"),
        (
            "The Wayback Machine",
            "/wayback/cdx/search/cdx?url=http://images.example.edu/1.jpg",
        ),
        ("IDR: an image, and its files", "/idr/api/v0/m/images/9846137/"),
        ("... where they lie", "/idr/image/9846138/download_urls/"),
        ("A stock OMERO server", "/omero/webgateway/archived_files/download/7108/"),
        ("Public buckets: an OME-Zarr", f"/s3/janelia-cosem-datasets/{GROUP}/.zattrs"),
        ("... a precomputed volume", f"/gcs/{HEMIBRAIN}/{JPEG}/info"),
        ("Pages whose links are made by scripts", "/js/more"),
        ("A short link to what neuroglancer shows", "/ng/short"),
        ("Pictures of any kind", "/files/alpha/1.png?size=320x240"),
        ("What has been asked", "/_log"),
    ]


async def _epfl_at_home(request: web.Request, path: str) -> web.StreamResponse:
    """Answer with EPFL's page under its real address: ``/web/`` stands in for every host."""
    return await mirror.epfl(request, path.removeprefix("epfl/"))


def settings(base: str) -> dict[str, str]:
    """Return the settings that make a crawl ask the replica at `base`, not the real sources."""
    return {
        "ISIC_API_URL": f"{base}/isic/api/v2/",
        "ISIC_WEBSITE_URL": f"{base}/isic/",
        "ISIC_CHALLENGES_URL": f"{base}/isic-s3/challenges/",
        "ISIC_IMAPP_URL": f"{base}/zenodo/records/14201693/files/",
        "IMAGENET_API_URL": f"{base}/imagenet/api/",
        "IDR_URL": f"{base}/idr/",
        "IDR_FILES_URL": f"{base}/idr-files/",
        "WAYBACK_URL": f"{base}/wayback/",
        "EMPIAR_API_URL": f"{base}/ebi/api/",
        "EMPIAR_FILES_URL": f"{base}/ebi/empiar/world_availability/",
        "S3_URL": f"{base}/s3/{{bucket}}/",
        "GCS_URL": f"{base}/gcs/{{bucket}}/",
        "WEB_REPLICA_URL": f"{base}/web/",
        "ALLOWED_PRIVATE_NETWORKS": "127.0.0.1/32",
    }
