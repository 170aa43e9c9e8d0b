// Texts of pictures whose colour is too near to that of the innermost box that they lie in.
(() => {
  const channel = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = c => { const [r, g, b] = c.match(/[\d.]+/g).map(Number);
    return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b); };
  const found = [];
  const page = getComputedStyle(document.body).backgroundColor;
  for (const svg of document.querySelectorAll('svg.topology')) {
    const boxes = [...svg.querySelectorAll('rect')].map(r => [getComputedStyle(r).fill, r.getBoundingClientRect()])
      .filter(([fill]) => fill !== 'none');
    for (const text of svg.querySelectorAll('text')) {
      const at = text.getBoundingClientRect(), x = (at.left + at.right) / 2, y = (at.top + at.bottom) / 2;
      const under = boxes.filter(([, b]) => b.left <= x && b.right >= x && b.top <= y && b.bottom >= y);
      const fill = under.length ? under[under.length - 1][0] : page;
      const [a, b] = [light(getComputedStyle(text).fill), light(fill)].sort((p, q) => q - p);
      if ((a + 0.05) / (b + 0.05) < 4.5) found.push(`${text.textContent}: ${((a + 0.05) / (b + 0.05)).toFixed(2)}`);
    }
  }
  return [...new Set(found)];
})()
