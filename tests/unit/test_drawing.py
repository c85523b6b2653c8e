"""A chart of any text is drawn, and one that ends the drawing library is an error of the process that asked."""

from typing import Any

import pytest

from pipelines.errors import Unforeseen
from pipelines.review import drawing


def labelled(text: str) -> dict[str, Any]:
    """A chart that shows a text, and has it as the name of a field."""
    return {
        "data": {"values": [{text: 1, "label": text}]},
        "mark": "text",
        "encoding": {"text": {"field": "label", "type": "nominal"}},
    }


def test_a_text_with_any_character_is_drawn() -> None:
    characters = "".join(map(chr, [*range(0x20), 0x7F, 0x85, 0x2028, 0x202E, 0xD800, 0xDFFF, 0xFFFE, 0xFFFF]))

    drawn = drawing.svg(labelled(f"a{characters}b<&😀"))

    assert drawn.startswith("<svg")
    assert "😀" in drawn
    assert "\ufffd" in drawn


def test_a_chart_that_ends_the_library_is_an_error_and_the_next_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(drawing, "_with_characters_of_xml", lambda chart: chart)
        with pytest.raises(Unforeseen, match="a chart can't be drawn"):
            drawing.svg(labelled("a\vb"))
    with pytest.raises(Unforeseen, match="a chart can't be drawn"):
        drawing.svg({"mark": 5})

    assert drawing.svg(labelled("a")).startswith("<svg")
    drawing.stop()
