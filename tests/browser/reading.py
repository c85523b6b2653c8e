"""Content of the charts on a page, as a person reads it: titles, labels, numbers, and where the marks lie.

Everything is read from the page as it is laid out, in its pixels: a chart that is hidden is not there, and what shrinks
or shifts one shows. Nothing is read from what the chart was drawn of.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from playwright.sync_api import Locator, Page

READ_PICTURES = """
() => {
  const inside = (root, selector, read) => [...root.querySelectorAll(selector)].map(read);
  const around = element => {
    const {left, top, width, height} = element.getBoundingClientRect();
    return {left, top, width, height};
  };
  const shape = element => {  // as it is drawn, without its outline
    const {x, y, width, height} = element.getBBox(), {a, d, e, f} = element.getScreenCTM();
    const colours = ["fill", "stroke"].map(name => element.getAttribute(name));
    return {left: a * x + e, top: d * y + f, width: a * width, height: d * height,
            colour: colours.find(each => each && each !== "transparent")};
  };
  const line = text => ({
    ...around(text),
    text: text.textContent,
    colour: text.getAttribute("fill"),
    anchor: text.getAttribute("text-anchor"),
    size: parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().d,
    is_mark: text.closest(".role-mark") !== null,
    is_seen: text.getAttribute("opacity") !== "0",
  });
  const axis = (svg, name) => {
    const labels = [...svg.querySelectorAll(".role-axis-label")].find(
      each => each.closest("[aria-label]").getAttribute("aria-label").startsWith(name));
    return labels === undefined ? null : {
      labels: inside(labels, "text", line),
      ticks: inside(labels.parentElement, ".role-axis-tick line", shape),
    };
  };
  const chart = svg => ({
    is_narrow: svg.closest(".narrow") !== null,
    frame: around(svg),
    plot: shape(svg.querySelector(".role-frame > g > .background")),
    texts: inside(svg, "text", line),
    bars: inside(svg, ".mark-rect.role-mark path", shape),
    points: inside(svg, ".mark-symbol.role-mark path", shape),
    rules: inside(svg, ".mark-rule.role-mark line", shape),
    legend: {
      labels: inside(svg, ".role-legend-label text", line),
      symbols: inside(svg, ".role-legend-symbol path", shape),
    },
    axes: {x: axis(svg, "X"), y: axis(svg, "Y")},
  });
  return inside(document, "figure", figure => ({
    title: figure.querySelector("figcaption b").innerText,
    charts: [...figure.querySelectorAll("svg")].filter(svg => svg.checkVisibility()).map(chart),
  }));
}
"""
READ_TABLES = """
() => [...document.querySelectorAll("table")].filter(table => table.checkVisibility()).map(
  table => [...table.rows].map(row => [...row.cells].map(cell => cell.innerText.trim())))
"""
READ_OVERFLOW = """
width => {
  const all = root => [...root.querySelectorAll("*")].flatMap(
    each => [each, ...(each.shadowRoot ? all(each.shadowRoot) : [])]);
  return all(document.body)
    .filter(each => !(each instanceof SVGElement && each.ownerSVGElement) && each.checkVisibility())
    .map(each => [each, each.getBoundingClientRect()])
    .filter(([each, box]) => box.width && (box.right > width + 1 || box.left < -1 || each.scrollWidth > width + 1))
    .map(([each, box]) => `${each.tagName.toLowerCase()} from ${box.left} to ${box.right} of ${width}`);
}
"""
IS_COVERED = """
control => {
  const {left, top, right, bottom} = control.getBoundingClientRect();
  return [[left + 3, top + 3], [right - 3, top + 3], [left + 3, bottom - 3], [right - 3, bottom - 3]].some(
    ([x, y]) => control.getRootNode().elementFromPoint(x, y) !== control);
}
"""


@dataclass(frozen=True)
class Box:
    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height

    @property
    def x(self) -> float:
        """Its middle."""
        return self.left + self.width / 2

    @property
    def y(self) -> float:
        return self.top + self.height / 2


@dataclass(frozen=True)
class Shape(Box):
    colour: str


@dataclass(frozen=True)
class Line(Box):
    """A line of text in a chart. `size` is that of its letters; it is a mark if it belongs to one."""

    text: str
    colour: str
    anchor: str
    size: float
    is_mark: bool
    is_seen: bool

    @property
    def ink(self) -> Box:
        """The box without the room above and below the letters, which lines may share."""
        height = 0.72 * self.size
        return Box(self.left, self.y - height / 2, self.width, height)


@dataclass(frozen=True)
class Axis:
    labels: list[Line]
    ticks: list[float]  # where the labels' marks lie, along the axis; none where rows or columns are named

    def scale(self, value: Callable[[str], float]) -> Callable[[float], float]:
        """From a place on the page to what is there, going by the outermost labels and the `value` of each."""
        assert len(self.labels) == len(self.ticks) > 1
        (first, last), (start, end) = (self.labels[0], self.labels[-1]), (self.ticks[0], self.ticks[-1])
        low, high = value(first.text), value(last.text)
        return lambda place: low + (place - start) / (end - start) * (high - low)


@dataclass(frozen=True)
class Row:
    """A row of a chart of rows: its label, its number, and what lies below these."""

    label: str
    value: str
    bars: list[Shape]
    points: list[Shape]
    rules: list[Shape]


@dataclass(frozen=True)
class Chart:
    """A chart that is shown, drawn for a phone if it is narrow."""

    is_narrow: bool
    frame: Box
    plot: Box
    texts: list[Line]
    bars: list[Shape]
    points: list[Shape]
    rules: list[Shape]
    legend: dict[str, str]  # label and colour
    axes: dict[str, Axis]  # x, y

    @property
    def marks(self) -> list[Line]:
        """The texts among the marks, each beside its own."""
        return [line for line in self.texts if line.is_mark]

    def rows(self) -> list[Row]:
        """The rows from top to bottom."""
        labels, values = (
            sorted((line for line in self.marks if line.anchor == anchor), key=lambda line: line.top)
            for anchor in ("start", "end")
        )
        assert all(abs(label.y - value.y) < label.size / 2 for label, value in zip(labels, values, strict=True))
        ends = [line.top for line in labels[1:]] + [self.plot.bottom + 1]

        def between(shapes: list[Shape], top: float, bottom: float) -> list[Shape]:
            return [shape for shape in shapes if top < shape.y < bottom]

        return [
            Row(
                joined(label.text),
                joined(value.text),
                *(between(shapes, label.top, end) for shapes in (self.bars, self.points, self.rules)),
            )
            for label, value, end in zip(labels, values, ends, strict=True)
        ]

    def flaws(self) -> list[str]:
        """Texts that are cut off at the edge of the picture, or lie over one another."""
        lines = [line for line in self.texts if line.is_seen and line.text]
        cut = [f"cut off: {line.text}" for line in lines if not _holds(self.frame, line.ink)]
        pairs = [(one, two) for one, two in combinations(lines, 2) if _meet(one.ink, two.ink)]
        return cut + [f"over one another: {one.text} | {two.text}" for one, two in pairs]


@dataclass(frozen=True)
class Picture:
    """A figure of the page: what it found, and its chart."""

    title: str
    charts: list[Chart]

    @property
    def chart(self) -> Chart:
        """The chart that is shown, which is one."""
        (only,) = self.charts
        return only


def pictures(page: Page) -> list[Picture]:
    """The figures of the page, in their order."""
    return [Picture(joined(read["title"]), [*map(_chart, read["charts"])]) for read in page.evaluate(READ_PICTURES)]


def tables(page: Page) -> list[list[tuple[str, ...]]]:
    """The tables that are shown, row by row, without their headings."""
    return [[tuple(row) for row in rows[1:]] for rows in page.evaluate(READ_TABLES)]


def flaws(page: Page) -> list[str]:
    """Elements that can't be read: wider than the window, cut off, or covered."""
    assert page.viewport_size is not None
    wide: list[str] = page.evaluate(READ_OVERFLOW, page.viewport_size["width"])
    return [*wide, *(flaw for picture in pictures(page) for chart in picture.charts for flaw in chart.flaws())]


def is_covered(control: Locator) -> bool:
    """True if another element covers a corner of a control."""
    return bool(control.evaluate(IS_COVERED))


def joined(*lines: str) -> str:
    """The text without its blanks, which go lost where a line ends."""
    return "".join("".join(lines).split())


def number(text: str) -> float:
    """1,490 and 93.8% and −10 as numbers."""
    plain = text.replace(",", "").replace("−", "-")
    return float(plain[:-1]) / 100 if plain.endswith("%") else float(plain)


def _holds(frame: Box, box: Box) -> bool:
    """True if the box lies within the frame, give or take a pixel."""
    return (
        box.left > frame.left - 1
        and box.top > frame.top - 1
        and box.right < frame.right + 1
        and box.bottom < frame.bottom + 1
    )


def _meet(one: Box, two: Box) -> bool:
    """True if the boxes overlap by more than a pixel."""
    width = min(one.right, two.right) - max(one.left, two.left)
    height = min(one.bottom, two.bottom) - max(one.top, two.top)
    return width > 1 and height > 1


def _chart(read: dict[str, Any]) -> Chart:
    def shapes(of: list[dict[str, Any]]) -> list[Shape]:
        return [Shape(**each) for each in of]

    return Chart(
        is_narrow=read["is_narrow"],
        frame=Box(**read["frame"]),
        plot=Shape(**read["plot"]),
        texts=[Line(**each) for each in read["texts"]],
        bars=shapes(read["bars"]),
        points=shapes(read["points"]),
        rules=shapes(read["rules"]),
        legend={
            label["text"]: symbol["colour"]
            for label, symbol in zip(read["legend"]["labels"], read["legend"]["symbols"], strict=True)
        },
        axes={
            name: Axis(
                [Line(**each) for each in axis["labels"]], [getattr(tick, name) for tick in shapes(axis["ticks"])]
            )
            for name, axis in read["axes"].items()
            if axis is not None
        },
    )
