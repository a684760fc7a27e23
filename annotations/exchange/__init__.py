"""Labels in and out of files: one file a format. Reading never writes, writing never shows half of a file."""

from annotations.exchange.beir_export import export_beir
from annotations.exchange.csv_export import export_csv
from annotations.exchange.import_options import ImportOptions
from annotations.exchange.importing import Arrived, ImportReport, run_import
from annotations.exchange.options import Account, ExportOptions, ExportReport
from annotations.exchange.previews import Preview, preview_import
from annotations.exchange.qrels_export import export_qrels
from annotations.exchange.samples import SampleRow
from annotations.exchange.sources import ImportSource, Kind, open_source, source_from_text
from annotations.exchange.training_export import export_training
from annotations.exchange.unfinished import find_unfinished, remove_unfinished

__all__ = [
    "Account",
    "Arrived",
    "ExportOptions",
    "ExportReport",
    "ImportOptions",
    "ImportReport",
    "ImportSource",
    "Kind",
    "Preview",
    "SampleRow",
    "export_beir",
    "export_csv",
    "export_qrels",
    "export_training",
    "find_unfinished",
    "open_source",
    "preview_import",
    "remove_unfinished",
    "run_import",
    "source_from_text",
]
