"""A dataset from a program: ``imgcrawl.open(OUT)``. Reading needs neither Scrapy nor a crawl.

Each library is imported by the method that hands over to it.
"""

from __future__ import annotations

import csv
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from imgcrawl.dataset.dataset_table import CsvTable, LedgerTable
from imgcrawl.dataset.files import hash_stream
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.dataset.typed_table import BATCH, TypedTable
from imgcrawl.exports.record_files import RecordFiles
from imgcrawl.records.errors import OutputError, StoreError
from imgcrawl.records.extras import require_library
from imgcrawl.storage.directory import LEDGER, METADATA, SPLITS_TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from imgcrawl.dataset.dataset_table import DatasetTable


class Dataset:
    """The stored records of an OUT of a crawl, of a plan or of shards: a folder, s3:// or gs://.

    Iterating yields a dict for each record, with its values typed and ``file_name`` relative to
    OUT. Of a store there are the tables that the last run put there, copied when it is opened, into
    `root`; files are read when they are asked for.

    settings: Scrapy's of the store, ``AWS_ENDPOINT_URL`` and the like; without them the environment
    counts, as for the store's own tools
    A crawl may run meanwhile: what is read is of one moment. Where that cannot be had, in a folder
    that may only be read, OutputError says so at the end.

    Raises OutputError for a place that holds no dataset, ArgumentError for an address that is none
    or needs a library that is not there, StoreError where the store cannot be read.
    """

    def __init__(self, out: str | Path, settings: Mapping[str, Any] | None = None) -> None:
        self._files = RecordFiles(str(out), settings)
        if self._files.in_store:
            # The libraries of the stores take a second and tens of megabytes to load.
            from imgcrawl.storage.store_tables import StoreTables  # noqa: PLC0415

            self._tables = StoreTables(str(out), settings or {})
            self.root = self._tables.root
            return
        self.root = Path(out).expanduser().absolute()
        if not any((self.root / name).is_file() for name in (LEDGER, METADATA)):
            raise OutputError(f"{out} holds no {LEDGER}: it is no dataset of imgcrawl's")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the records, one at a time."""
        with self._typed() as table:
            yield from table.rows()

    def __len__(self) -> int:
        """Return the number of stored records."""
        with self._table() as table:
            return sum(1 for _ in table.rows())

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        with self._table() as table:
            return [*table.columns]

    def path(self, record: Mapping[str, Any]) -> Path:
        """Return where the file of a record is. Raises OutputError for one in a store."""
        if self._files.in_store:
            raise OutputError(
                f"{self._files.place} is no folder of this machine: `open_file(record)` reads the "
                "file of a record"
            )
        return self.root / str(record["file_name"])

    def open_file(self, record: Mapping[str, Any]) -> AbstractContextManager[IO[bytes]]:
        """Open the file of a record, to be read from its beginning. Raises OSError, StoreError."""
        return self._files.open(str(record["file_name"]))

    def to_arrow(self) -> Any:
        """Return a pyarrow.Table."""
        pa = require_library("pyarrow", "pyarrow")
        with self._typed() as table:
            schema, batches = table.schema(), []
            rows: list[dict[str, Any]] = []
            for row in table.rows():
                rows.append(row)
                if len(rows) == BATCH:
                    batches.append(pa.RecordBatch.from_pylist(rows, schema))
                    rows = []
            batches.append(pa.RecordBatch.from_pylist(rows, schema))
            return pa.Table.from_batches(batches, schema)

    def to_pandas(self) -> Any:
        """Return a pandas.DataFrame; whole numbers with gaps stay whole (Int64)."""
        pd = require_library("pandas", "pandas")
        table = self.to_arrow()
        types = {"int64": pd.Int64Dtype(), "bool": pd.BooleanDtype(), "string": pd.StringDtype()}
        return table.to_pandas(types_mapper=lambda kind: types.get(str(kind)))

    def to_polars(self) -> Any:
        """Return a polars.DataFrame."""
        return require_library("polars", "polars").from_arrow(self.to_arrow())

    def to_huggingface(self) -> Any:
        """Return a datasets.Dataset, whose column ``image`` is read when it is asked for.

        Raises OutputError for a dataset in a store, which is exported first.
        """
        datasets = require_library("datasets", "datasets")
        if self._files.in_store:
            place = self._files.place
            raise OutputError(
                f"{place}: a datasets.Dataset reads files of this machine. Type `scrapy export "
                f"{place} --to huggingface --dest DIR`, and load_dataset(DIR)"
            )
        table = self.to_arrow()
        paths = [str(self.root / name) for name in table.column("file_name").to_pylist()]
        made = datasets.Dataset(table)
        return made.add_column("image", paths).cast_column("image", datasets.Image())

    def to_torch(
        self,
        transform: Callable[[Any], Any] | None = None,
        split: str | None = None,
        label: str | None = None,
    ) -> PictureDataset:
        """Return what torch's DataLoader reads: pairs of a picture and its row, or its class.

        transform: of the picture, a PIL.Image in RGB; split: of splits.csv; label: a column, in
        place of the row
        """
        wanted = None if split is None else self._of_split(split)
        rows = [row for row in self if wanted is None or row["record_id"] in wanted]
        return PictureDataset(self._files, rows, transform, label)

    def verify(self) -> list[tuple[str, str, str]]:
        """Return (record id, file name, problem) of each file that is not as it was stored."""
        problems = []
        for row in self:
            if not row["file_name"] or row["sha256"] is None or self._files.is_folder(row):
                continue
            problem = ""
            try:
                with self._files.open(row["file_name"], plain=True) as file:
                    problem = "" if hash_stream(file) == row["sha256"] else "sha256"
            except FileNotFoundError:
                problem = "missing"
            except (OSError, StoreError):
                problem = "unreadable"
            if problem:
                problems.append((row["record_id"], row["file_name"], problem))
        return problems

    def _of_split(self, split: str) -> set[str]:
        path = self.root / SPLITS_TABLE
        if not path.is_file():
            raise OutputError(
                f"{SPLITS_TABLE} is not there: `scrapy split {self._files.place}` writes it"
            )
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(row["record_id"], row["split"]) for row in csv.DictReader(file)]
        if split not in {name for _, name in rows}:
            names = ", ".join(sorted({name for _, name in rows}))
            raise OutputError(f"{path} has no split {split!r}: there are {names}")
        return {record_id for record_id, name in rows if name == split}

    @contextmanager
    def _table(self) -> Iterator[DatasetTable]:
        if (self.root / LEDGER).is_file():
            with closing(Ledger(self.root / LEDGER)) as ledger:
                yield LedgerTable(ledger)
        else:
            yield CsvTable(self.root / METADATA)

    @contextmanager
    def _typed(self) -> Iterator[TypedTable]:
        with self._table() as table:
            yield TypedTable(table)


class PictureDataset:
    """Pictures by number, as torch's DataLoader asks for them: `len` and an index."""

    def __init__(
        self,
        files: RecordFiles,
        rows: list[dict[str, Any]],
        transform: Callable[[Any], Any] | None,
        label: str | None,
    ) -> None:
        self._files, self._rows = files, [row for row in rows if row["file_name"]]
        self._transform, self._label = transform, label
        self.classes = (
            sorted({str(r[label]) for r in rows if r[label] is not None}) if label else []
        )
        self._numbers = {name: n for n, name in enumerate(self.classes)}

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self._rows)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Return the picture and its row, or the number of its class (-1 for none)."""
        from PIL import Image  # noqa: PLC0415

        row = self._rows[index]
        with self._files.open(row["file_name"]) as file, Image.open(BytesIO(file.read())) as opened:
            picture = opened.convert("RGB")
        shown = picture if self._transform is None else self._transform(picture)
        if self._label is None:
            return shown, row
        return shown, self._numbers.get(str(row[self._label]), -1)
