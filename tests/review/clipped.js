// What is wider than the place that it has: the whole page, and every cell of a table.
(() => {
  const found = [];
  const page = document.documentElement;
  if (page.scrollWidth > page.clientWidth + 1) found.push(`page: ${page.scrollWidth} of ${page.clientWidth}`);
  for (const each of document.querySelectorAll('h1,h2,h3,p,li,td,th,caption'))
    if (each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).display !== 'inline')
      found.push(`${each.tagName}: ${each.textContent.trim().slice(0, 80)}`);
  return found;
})()
