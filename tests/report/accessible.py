"""Finds faults of accessibility in a page that can be found without a browser."""

from html.parser import HTMLParser

VOID = {"meta", "input", "br", "img", "hr", "link"}
FIELDS = {"input", "select", "textarea"}


def faults(page: str) -> list[str]:
    """Returns a line per fault: language, title, headings, names of pictures, fields and regions, heads of tables."""
    reader = _Reader()
    reader.feed(page)
    found = reader.faults
    if not reader.language:
        found.append("no lang")
    if not reader.has_title:
        found.append("no title")
    if [level for level in reader.levels if level == 1] != [1]:
        found.append("not one h1")
    found += [f"h{b} after h{a}" for a, b in zip(reader.levels, reader.levels[1:], strict=False) if b > a + 1]
    for kind, values in (("id", reader.ids), ("region", reader.regions)):
        found += [f"{kind} twice: {value}" for value in sorted({v for v in values if values.count(v) > 1})]
    return found


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.faults, self.levels, self.ids, self.regions = [], [], [], [], []
        self.language, self.has_title, self.text = "", False, ""

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "html":
            self.language = given.get("lang", "")
        if "id" in given:
            self.ids.append(given["id"])
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            self.levels.append(int(tag[1]))
        if tag == "svg" and not (given.get("role") == "img" and given.get("aria-label")):
            self.faults.append("svg without a name")
        if tag == "img" and "alt" not in given:
            self.faults.append("img without alt")
        if tag in FIELDS and "label" not in self.open and not given.get("aria-label"):
            self.faults.append(f"{tag} without a label")
        if tag == "th" and given.get("scope") not in ("col", "row"):
            self.faults.append("th without scope")
        if given.get("class") == "scroll":
            self.regions.append(given.get("aria-label"))
            if given.get("tabindex") != "0" or given.get("role") != "region" or not given.get("aria-label"):
                self.faults.append("a table that scrolls cannot be reached by keyboard")
        if tag in ("th", "title", "a", "button", "summary"):
            self.text = ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_data(self, data):
        self.text += data

    def handle_endtag(self, tag):
        if tag in self.open:
            while self.open.pop() != tag:
                pass
        if tag in ("th", "a", "button", "summary") and not self.text.strip():
            self.faults.append(f"empty {tag}")
        if tag == "title" and self.text.strip():
            self.has_title = True
