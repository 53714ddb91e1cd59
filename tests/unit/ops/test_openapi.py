"""The described doors are those that there are."""

from ops.openapi import FOLDER, documents


def test_the_committed_documents_are_those_of_the_doors() -> None:
    stale = [path.name for path, text in documents() if not path.exists() or path.read_text("utf-8") != text]
    assert not stale, f"run `python -m ops.openapi`; differs: {stale}"


def test_no_other_document_lies_there() -> None:
    assert {path for path in FOLDER.iterdir()} == {path for path, _ in documents()}
