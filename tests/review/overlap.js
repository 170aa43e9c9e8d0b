// Every pair of texts of a picture that lie on each other, every text that leaves its picture, and
// every pair of boxes that cross; of pixels, one is granted to rounding.
(() => {
  const found = [];
  const grant = 1;
  const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > grant
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > grant;
  const within = (a, b) => a.left >= b.left - grant && a.right <= b.right + grant
    && a.top >= b.top - grant && a.bottom <= b.bottom + grant;
  for (const svg of document.querySelectorAll('svg.topology')) {
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll('text')].map(t => [t, t.getBoundingClientRect()]);
    for (let i = 0; i < texts.length; i++) {
      const [text, own] = texts[i];
      if (!within(own, frame)) found.push(`leaves the picture: ${text.textContent}`);
      for (let j = 0; j < i; j++)
        if (meet(own, texts[j][1])) found.push(`text on text: ${text.textContent} | ${texts[j][0].textContent}`);
    }
    const boxes = [...svg.querySelectorAll('rect')]
      .filter(r => /\b(box|chip|card|gpu)\b/.test(r.getAttribute('class')) && !/behind/.test(r.getAttribute('class')))
      .map(r => [r, r.getBoundingClientRect()]);
    for (let i = 0; i < boxes.length; i++) {
      const [box, own] = boxes[i];
      for (let j = 0; j < i; j++) {
        const other = boxes[j][1];
        if (meet(own, other) && !within(own, other) && !within(other, own))
          found.push(`box across box: ${box.getAttribute('class')} | ${boxes[j][0].getAttribute('class')}`);
      }
      for (const [text, at] of texts)
        if (meet(own, at) && !within(at, own)) found.push(`text across ${box.getAttribute('class')}: ${text.textContent}`);
    }
    // A chip holds its own text alone, and no line runs through a text.
    for (const path of svg.querySelectorAll('path.line')) {
      const length = path.getTotalLength(), matrix = path.getScreenCTM();
      for (let at = 0; at <= length; at += 4) {
        const point = path.getPointAtLength(at).matrixTransform(matrix);
        const hit = texts.find(([, t]) => point.x > t.left + grant && point.x < t.right - grant
          && point.y > t.top + 3 && point.y < t.bottom - 3);
        if (hit) { found.push(`line through text: ${hit[0].textContent}`); break; }
      }
    }
  }
  return [...new Set(found)];
})()
