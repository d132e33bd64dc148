"""The weekly safety report: what is counted becomes a document, and the document a page, a text, a record or a PDF."""
