"""A screenshot, read as a picture."""

from base64 import b64encode

from playwright.sync_api import Page

COUNT = """
async ([png, rows]) => {
  const image = new Image();
  image.src = `data:image/png;base64,${png}`;
  await image.decode();
  const pen = new OffscreenCanvas(image.width, image.height).getContext("2d");
  pen.drawImage(image, 0, 0);
  return rows.map(([share, colour]) => {
    const wanted = [1, 3, 5].map(place => parseInt(colour.slice(place, place + 2), 16));
    const {data} = pen.getImageData(0, Math.round(share * image.height), image.width, 1);
    let count = 0;
    for (let place = 0; place < data.length; place += 4)
      count += wanted.every((value, channel) => Math.abs(data[place + channel] - value) <= 2);
    return count / image.width;
  });
}
"""


def colour_shares(page: Page, png: bytes, rows: list[tuple[float, str]]) -> list[float]:
    """For each height, as a share of the picture's, which share of the row of pixels there has the colour, #rrggbb."""
    shares: list[float] = page.evaluate(COUNT, [b64encode(png).decode(), [*map(list, rows)]])
    return shares
