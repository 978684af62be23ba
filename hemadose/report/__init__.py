"""The results of a plan: a page, a JSON document and tidy tables."""

from hemadose.report.document import result_document
from hemadose.report.summary import headline
from hemadose.report.tables import output_tables
from hemadose.report.writing import OutputPaths, write_outputs

__all__ = ["OutputPaths", "headline", "output_tables", "result_document", "write_outputs"]
