import pytest
from jinja2 import DictLoader, UndefinedError

from ambiser.report import page_template


@pytest.fixture(autouse=True)
def templates(monkeypatch):
    pages = {"x.html.j2": "<p>{{ name }}</p>   \n\n{% if name %}\n  yes\n{% endif %}\n"}
    monkeypatch.setattr(page_template, "FileSystemLoader", lambda folder: DictLoader(pages))


def test_values_are_escaped_and_blank_lines_left_out():
    assert page_template.render_page("x.html.j2", name="<b>") == "<p>&lt;b&gt;</p>\n  yes\n"


def test_a_missing_value_is_an_error():
    with pytest.raises(UndefinedError):
        page_template.render_page("x.html.j2")
