"""Every setting that differs from Scrapy's default, with its reason.

Any of them can be given on the command line: ``-s NAME=VALUE``.
"""

from __future__ import annotations

from typing import Any

from scrapy.settings.default_settings import SPIDER_MIDDLEWARES_BASE as _OF_PAGES

import imgcrawl

BOT_NAME = "imgcrawl"
SPIDER_MODULES = ["spiders"]
SPIDER_LOADER_CLASS = "imgcrawl.crawl.spider_loader.SpiderLoader"
NEWSPIDER_MODULE = "spiders"
COMMANDS_MODULE = "imgcrawl.commands"

# --- Who we are ----------------------------------------------------------------------------------
# An honest name; put a contact of your own behind it for a long crawl.
USER_AGENT = f"imgcrawl/{imgcrawl.__version__} (dataset downloader; obeys robots.txt)"
ROBOTSTXT_USER_AGENT = "imgcrawl"
REFERRER_POLICY = "same-origin"  # a host need not know where else we have been
COOKIES_ENABLED = False  # nothing here logs in

# --- What happens to an item, in this order ------------------------------------------------------
# Of a user's own ITEM_PIPELINES, each takes its place among these by its number.
ITEM_PIPELINES_BASE: dict[str, int] = {
    "pipelines.resume.ResumePipeline": 100,
    "pipelines.images.ImagesPipeline": 300,
    "pipelines.files.FilesPipeline": 350,
    "pipelines.crops.CropsPipeline": 370,
    "pipelines.copies.CopiesPipeline": 380,
    "pipelines.wayback.WaybackPipeline": 400,
    "pipelines.placeholders.PlaceholdersPipeline": 500,
    "pipelines.distinct.DistinctPipeline": 600,
    "pipelines.phash.PhashPipeline": 650,
    "pipelines.exif.ExifPipeline": 660,
    "pipelines.documents.DocumentsPipeline": 700,
    "pipelines.room.RoomPipeline": 790,
    "pipelines.object_store.ObjectStorePipeline": 800,
    "pipelines.metadata.MetadataPipeline": 900,
}

ITEM_PROCESSOR = "imgcrawl.crawl.item_chain.ItemChain"  # a spider's own items pass these by

OUT = None  # the spider's argument out=, by default data/<spider>
OUT_STORE = None  # set by an out=s3://… or gs://…; OUT is a folder of SCRATCH_DIR then
SCRATCH_DIR = None  # for that; by default imgcrawl/ in the user's cache directory
STORE_CONNECTIONS = 8  # files that go into such an OUT at once
STORE_CHECKPOINT = 120.0  # seconds between two copies of the ledger that are put there
STORE_LOCK_STALE = 180.0  # seconds without a sign of life after which a run there counts as dead
STORE_PATIENCE = 150.0  # seconds that a store may take nothing, before the run ends
SYNC_TO_DISK = True  # files reach the disk before their rows, or a power cut may take them
IMAGES_STORE = None  # OUT; or s3://bucket/prefix/ or gs://bucket/prefix/ (mind the last slash)
FILES_STORE = None  # likewise, of files
VOLUME_CONNECTIONS = 8  # to one host, for the chunks of volumes
VOLUMES_AT_ONCE = 2  # crops; one is read while another is written
VOLUME_CACHE = 0  # bytes of chunks that are kept for other cubes of the same run
ALLOW_EMPTY_VOLUMES = False  # exit status 0 where most chunks of a volume are absent (fill value)
FILE_CONNECTIONS = 4  # to one host for one large file; the host's own limit holds beside it
IMAGE_CHECK = "decode"  # decode | header | off
IMAGE_THREADS = 0  # of the check, which releases the interpreter lock; 0: one a usable core
IMAGE_MAX_PIXELS = 1_000_000_000  # beyond: too_large (a bomb, or a slide that is a volume)
IMAGE_MAX_ASPECT_RATIO = 0.0  # the longer side by the shorter; beyond: too_large; 0: any
IMAGE_MAX_DECODE_PIXELS = 150_000_000  # beyond: header check only, and marked suspect
IMAGE_DECODE_MEMORY = 256 << 20  # bytes of all pictures being decoded; a larger one is so alone
PLACEHOLDER_REPEATS = 0  # so many URLs of a host with the same bytes are no photographs; 0: never
DISTINCT = False  # no two of a class with the same bytes, where a number of them is wanted
CHANGED = None  # refuse | replace: the argument changed= of lists
PHASH = False  # the spiders' argument phash=
EXIF = False  # the spiders' argument exif=
SHARD_BY = "record"  # | host: what decides which shard a record is of
SHARD_WORKERS = 1  # runs at the same time: the limits of hosts are divided by it ...
SHARD_MACHINES = 1  # ... or by this, where those of one machine share by HOST_BUDGET
DRY_RUN = False  # the spiders' argument dry_run=
MAX_TOTAL_BYTES = 0  # of all stored files of an OUT: the argument max_total_bytes=; 0: any
CHECK_FREE_DISK = True  # refuse to start what the disk cannot hold

# --- Back-pressure: what is in flight at once -----------------------------------------------------
# Beside Scrapy's own, and those that a user names in SPIDER_MIDDLEWARES.
SPIDER_MIDDLEWARES_BASE: dict[str, int] = _OF_PAGES | {
    "imgcrawl.crawl.backpressure.Backpressure": 900
}
ITEMS_IN_FLIGHT = 128  # records
ITEMS_IN_FLIGHT_PER_HOST = 64
ITEMS_AHEAD = 500  # records looked ahead at, to find other hosts
CONCURRENT_REQUESTS = 8  # of pages only; ITEMS_IN_FLIGHT and slots bound media
SCHEDULER_PRIORITY_QUEUE = "scrapy.pqueues.ScrapyPriorityQueue"  # pages are few

# --- How bytes arrive ----------------------------------------------------------------------------
DOWNLOADER = "imgcrawl.download.downloader.Downloader"
# In the place of Scrapy's: a source that names file:, ftp:, s3: or data: is wrong or hostile.
DOWNLOAD_HANDLERS_BASE = {
    "http": "imgcrawl.download.handler.HttpHandler",
    "https": "imgcrawl.download.handler.HttpHandler",
}
DOWNLOAD_HANDLERS = {**DOWNLOAD_HANDLERS_BASE}  # without a reactor Scrapy changes the base
_SCRAPY = "scrapy.downloadermiddlewares"
# The whole list, and not what differs from Scrapy's: a middleware that is merely turned off is
# imported all the same, and that of the cookies brings 10 MB. Left out are Offsite (drops pictures
# on CDNs without a word), MetaRefresh (pages are read, not shown), Cookies, DownloadTimeout (the
# handler knows the setting) and DownloaderStats.
DOWNLOADER_MIDDLEWARES_BASE: dict[str, int] = {
    "imgcrawl.download.archives.ArchiveMiddleware": 90,
    "imgcrawl.download.robots.RobotsTxtMiddleware": 100,
    f"{_SCRAPY}.httpauth.HttpAuthMiddleware": 300,
    # Default: Scrapy's, which asks for pictures as for pages.
    "imgcrawl.download.media_headers.MediaHeadersMiddleware": 400,
    "imgcrawl.download.tokens.TokenMiddleware": 450,  # behind the cache it would be too late
    f"{_SCRAPY}.useragent.UserAgentMiddleware": 500,
    "imgcrawl.download.x_robots_tag.OptOutMiddleware": 540,
    "imgcrawl.download.retry.RetryMiddleware": 550,
    # Default 900: there bodies are still compressed, and JSON cannot be recognized.
    f"{_SCRAPY}.httpcache.HttpCacheMiddleware": 560,
    "imgcrawl.download.compression.HttpCompressionMiddleware": 590,
    "imgcrawl.download.redirects.RedirectMiddleware": 600,
    "imgcrawl.download.s3_login.S3LoginMiddleware": 700,
    f"{_SCRAPY}.httpproxy.HttpProxyMiddleware": 750,
}
ALLOWED_PRIVATE_NETWORKS: list[str] = []  # CIDR blocks beside the public internet
INSECURE_TLS_HOSTS: list[
    str
] = []  # hosts whose certificates are not verified; the summary names them

# What all jobs of this user on this machine share of each host: its places, delay, pauses, breaker.
HOST_BUDGET = None  # the folder of the file that tells; by default in /dev/shm; off: each alone
CONCURRENT_REQUESTS_PER_DOMAIN = 4  # default 8; strangers' servers
DOWNLOAD_DELAY = 0.0
AUTOTHROTTLE_ENABLED = True
AUTOTHROTTLE_START_DELAY = 0.25  # seconds; default 5
AUTOTHROTTLE_MAX_DELAY = 60
AUTOTHROTTLE_TARGET_CONCURRENCY = 2.0
# Object stores and CDNs that are made to serve datasets.
DOWNLOAD_SLOTS: dict[str, dict[str, Any]] = {
    "isic-archive.s3.amazonaws.com": {"concurrency": 16, "delay": 0.0},
    "ftp.ebi.ac.uk": {"concurrency": 4, "delay": 0.25},  # about 4 requests a second are borne
    "content.isic-archive.com": {"concurrency": 8, "delay": 0.0},
    "janelia-cosem-datasets.s3.amazonaws.com": {"concurrency": 16, "delay": 0.0},
    "storage.googleapis.com": {"concurrency": 16, "delay": 0.0},
    # 24 look-ups a minute and 8 replays a second: four fifths of what the Internet Archive allows.
    "wayback-cdx": {"concurrency": 1, "delay": 2.5, "randomize_delay": False},
    "wayback-replay": {"concurrency": 2, "delay": 0.125, "randomize_delay": False},
}

DOWNLOAD_TIMEOUT = 30  # seconds of silence; default 180, and for the whole body
DOWNLOAD_DEADLINE = 600  # seconds for one file
DOWNLOAD_MAXSIZE = 1 << 30  # bytes of one file
DOWNLOAD_WARNSIZE = 0  # what is too large is not stored, and says so
SPOOL_THRESHOLD = 4 << 20  # bytes; longer pictures go to disk as they arrive
ARCHIVE_MAXSIZE = 16 << 30  # bytes of an archive that records lie in

RETRY_TIMES = 4  # default 2
# The default has not all that may pass; 501 and 505 say what a server can do, not how it does.
RETRY_HTTP_CODES = [408, 425, 429, 500, *range(502, 505), *range(506, 600)]
RETRY_BACKOFF_BASE = 1.0  # seconds, doubled with each try; a random part of it is waited
RETRY_BACKOFF_MAX = 60.0
RETRY_AFTER_MAX = 300.0  # seconds; a host that asks for more is taken at its word another day

HOST_FAILURES = 5  # in a row, until a host cools down
HOST_COOLDOWN = 5.0  # seconds, doubled with each probe that fails
HOST_PROBES = 3  # that fail, until the host is given up
HOST_DOWN_TIME = 600.0  # seconds that it is given up for

REDIRECT_MAX_TIMES = 10  # default 20
MEDIA_ALLOW_REDIRECTS = True  # pictures move

# --- Politeness ----------------------------------------------------------------------------------
ROBOTSTXT_OBEY = True
CRAWL_DELAY_OBEY = True
CRAWL_DELAY_MAX = 60.0  # seconds
X_ROBOTS_TAG_OBEY = True  # noai, noimageai

# --- Cache: pages and API answers only -----------------------------------------------------------
HTTPCACHE_ENABLED = True
HTTPCACHE_DIR = "httpcache"  # below .scrapy/
HTTPCACHE_POLICY = "imgcrawl.download.cache_policy.PagesOnlyPolicy"
HTTPCACHE_STORAGE = "imgcrawl.download.cache_storage.SQLiteCacheStorage"
HTTPCACHE_MAX_BYTES = 512 << 20  # the oldest pages go first
HTTPCACHE_EXPIRATION_SECS = 3600  # for a run of the same OUT that is resumed; never lists of an API

# --- The browser: of the spider dynamic_page only ------------------------------------------------
BROWSER_PATH = None  # a Chromium; by default Playwright's, or the one on PATH
BROWSER_MAX_BYTES = 256 << 20  # that pages may load in one run
PLAYWRIGHT_LAUNCH_OPTIONS: dict[str, Any] = {}  # beside those of imgcrawl/browser/chromium.py

# --- Sources -------------------------------------------------------------------------------------
ISIC_API_URL = "https://api.isic-archive.com/api/v2/"
ISIC_WEBSITE_URL = "https://api.isic-archive.com/"
ISIC_CHALLENGES_URL = "https://isic-archive.s3.amazonaws.com/challenges/"
ISIC_IMAPP_URL = "https://zenodo.org/records/14201693/files/"
ISIC_SYNC_DAYS = 7.0  # after so many a list is read whole again, whatever its counts say

HF_URL = "https://huggingface.co/"  # what hf://datasets/OWNER/NAME is asked of
IMAGENET_API_URL = "https://www.image-net.org/api/"
EMPIAR_API_URL = "https://www.ebi.ac.uk/empiar/api/"
EMPIAR_FILES_URL = "https://ftp.ebi.ac.uk/empiar/world_availability/"

S3_URL = "https://{bucket}.s3.amazonaws.com/"  # what s3://bucket/ stands for, without an account
S3_LOGIN = False  # sign requests for s3:// by AWS_ACCESS_KEY_ID, ... of the environment
GCS_URL = "https://storage.googleapis.com/{bucket}/"  # likewise gs://

DOI_URL = "https://doi.org/api/handles/"  # resolves DOIs, as JSON

IDR_URL = "https://idr.openmicroscopy.org/"
IDR_FILES_URL = "https://ftp.ebi.ac.uk/pub/databases/IDR/"

# --- The Wayback Machine: for what is gone from its own address -----------------------------------
WAYBACK_URL = "https://web.archive.org/"
WAYBACK = False  # the spiders' argument wayback=
WAYBACK_YEAR = None  # the captures nearest to it are taken; None: the latest
WAYBACK_MAX = 1000  # records looked for in one run: 42 minutes
WAYBACK_CACHE_DAYS = 90  # that an answer is not asked for again

# --- Trying out ----------------------------------------------------------------------------------
WEB_REPLICA_URL = None  # a server that stands in for every host: URL/SCHEME/HOST/PATH

# --- Seen by people ------------------------------------------------------------------------------
# The whole list too. Left out are the consoles that run code for whoever connects
# (Telnet, RemoteControl), what Throttle, Progress and DatasetFeed replace, and the memory debugger.
EXTENSIONS_BASE: dict[str, int] = {
    "imgcrawl.crawl.lifecycle.RunLifecycle": 0,
    "imgcrawl.progress.extension.ProgressExtension": 10,
    "imgcrawl.progress.reporter.ProgressReporter": 10,
    "imgcrawl.progress.metrics.MetricsExtension": 10,
    "imgcrawl.progress.file.ProgressFile": 10,
    "imgcrawl.progress.one_process.OneProcessLimit": 10,
    "imgcrawl.download.throttle.Throttle": 20,
    "scrapy.extensions.corestats.CoreStats": 30,
    "scrapy.extensions.logcount.LogCount": 30,
    "scrapy.extensions.memusage.MemoryUsage": 30,
    "scrapy.extensions.closespider.CloseSpider": 30,
    "imgcrawl.crawl.feed.DatasetFeed": 30,
    "scrapy.extensions.spiderstate.SpiderState": 30,
}
TABLES = "csv"  # csv,parquet: records.parquet, too, the rows of metadata.csv with their types
REPORT = True  # report.html at the end of a crawl that somebody watches at a terminal
PROGRESS_FILE = None  # JSON, replaced every two seconds; Scrapyd's page has each job write one
METRICS_DIR = None  # a folder of node_exporter's textfile collector: a file of each OUT in it
METRICS_PORT = 0  # on loopback, where the run answers /metrics; 0: none
PROGRESS_FD = None  # set by `scrapy crawlall` and `shards`: a socket that a crawl tells them on
LOG_FORMATTER = "imgcrawl.crawl.log_formatter.LogFormatter"
LOG_LEVEL = "INFO"  # default DEBUG
LOG_VERSIONS: list[str] = []
STATS_DUMP = False  # summary.json has what matters
