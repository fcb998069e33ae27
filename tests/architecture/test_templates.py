"""Scripts of forms and filters come by one template, which brings first what they rest on."""

from pathlib import Path

TEMPLATES = Path(__file__).resolve().parent.parent.parent / "templates"


def test_the_scripts_of_forms_are_printed_in_one_place():
    printing = {
        str(path.relative_to(TEMPLATES))
        for path in TEMPLATES.rglob("*.html")
        if "media }}" in path.read_text() or "jsi18n" in path.read_text()
    }
    assert printing == {"admin/scripts.html"}
