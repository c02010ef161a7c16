"""Whether a page looks right, as far as that can be measured in the page: nothing overlaps, nothing is cut.

Both name the offenders. They look at what is visible, and within an open dialog alone when there is one.
"""

from __future__ import annotations

from playwright.async_api import Page

VISIBLE = """
const dialog = [...document.querySelectorAll('.q-dialog .tl-dialog')].filter(one => one.offsetParent !== null).pop();
const root = dialog || document.querySelector('#app') || document.body;
const shown = (one) => {
  if (!one.checkVisibility({opacityProperty: true, visibilityProperty: true})) return false;
  if (one.closest('.q-tooltip, .nicegui-skip-link, [aria-hidden="true"]')) return false;
  const box = one.getBoundingClientRect();
  return box.width > 1 && box.height > 1;
};
const name = (one) => {
  const text = (one.getAttribute('aria-label') || one.innerText || one.value || '').trim().replace(/\\s+/g, ' ');
  return `<${one.tagName.toLowerCase()} class="${(one.getAttribute('class') || '').slice(0, 60)}"> `
    + `"${text.slice(0, 60)}"`;
};
"""

CUT = f"""() => {{
{VISIBLE}
const found = [];
const page = document.documentElement;
if (page.scrollWidth > page.clientWidth + 1) {{
  const wide = [...root.querySelectorAll('*')].filter(one => shown(one)
    && one.getBoundingClientRect().right > page.clientWidth + 1
    && !one.closest('.q-drawer, .tl-code, tl-source, .q-table__middle, .tl-scroll'));
  found.push(`the page is ${{page.scrollWidth}} px wide in a window of ${{page.clientWidth}}: `
    + wide.slice(-3).map(name).join(' | '));
}}
for (const one of root.querySelectorAll('*')) {{
  if (!shown(one) || one.closest('svg, tl-source, .tl-code, canvas')) continue;
  const style = getComputedStyle(one);
  const own = [...one.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
  const wide = one.scrollWidth > one.clientWidth + 1 && style.display !== 'inline';
  const high = one.scrollHeight > one.clientHeight + 2 && style.display !== 'inline';
  const hides = (overflow) => overflow === 'hidden' || overflow === 'clip';
  if (own && style.textOverflow !== 'ellipsis'
      && ((wide && hides(style.overflowX)) || (high && hides(style.overflowY)))) {{
    found.push(`cut: ${{name(one)}}`);
  }}
  if (own && one.closest('.tl-badge, .q-btn') && wide) found.push(`does not fit: ${{name(one)}}`);
  if (own) {{
    const range = document.createRange();
    range.selectNodeContents(one);
    const text = range.getBoundingClientRect();
    for (let up = one.parentElement; up && up !== root; up = up.parentElement) {{
      const about = getComputedStyle(up);
      if (['auto', 'scroll'].includes(about.overflowX) || ['auto', 'scroll'].includes(about.overflowY)) break;
      if (about.textOverflow === 'ellipsis' || style.textOverflow === 'ellipsis') break;
      const box = up.getBoundingClientRect();
      if (hides(about.overflowX) && (text.right > box.right + 2 || text.left < box.left - 2)) {{
        found.push(`cut by ${{name(up).split('"> ')[0]}}">: ${{name(one)}}`);
        break;
      }}
    }}
  }}
}}
return [...new Set(found)];
}}"""

OVERLAPS = f"""() => {{
{VISIBLE}
const controls = 'button, a[href], input, textarea, select, .q-field, .q-toggle, .q-checkbox, .q-tab, .tl-badge, '
  + '.tl-chip, h1, h2, h3, dt, dd, label, tl-time, .tl-figure, .tl-note, td, th';
const texts = [...root.querySelectorAll('*')].filter(one => !one.closest('svg')
  && [...one.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()));
const all = [...new Set([...root.querySelectorAll(controls), ...texts])].filter(shown)
  .filter(one => !one.closest('.q-header') || root.querySelector('.q-header') === root);
const boxes = all.map(one => {{
  const range = document.createRange();
  range.selectNodeContents(one);
  const own = one.matches('button, a, input, textarea, .q-field, .tl-badge, .tl-chip, .q-tab, .tl-note, td, th');
  let box = own ? one.getBoundingClientRect() : range.getBoundingClientRect();
  let {{left, right, top, bottom}} = box;
  for (let up = one.parentElement; up && up !== root; up = up.parentElement) {{
    if (getComputedStyle(up).overflow !== 'visible') {{
      const clip = up.getBoundingClientRect();
      left = Math.max(left, clip.left); right = Math.min(right, clip.right);
      top = Math.max(top, clip.top); bottom = Math.min(bottom, clip.bottom);
    }}
  }}
  return {{one, left, right, top, bottom, drawer: Boolean(one.closest('.q-drawer'))}};
}}).filter(box => box.right - box.left > 1 && box.bottom - box.top > 1)
  .sort((a, b) => a.top - b.top);
const found = [];
for (let i = 0; i < boxes.length; i++) {{
  for (let j = i + 1; j < boxes.length && boxes[j].top < boxes[i].bottom; j++) {{
    const [a, b] = [boxes[i], boxes[j]];
    if (a.drawer !== b.drawer || a.one.contains(b.one) || b.one.contains(a.one)) continue;
    const field = a.one.closest('.q-field');
    if (field && field === b.one.closest('.q-field')) continue;
    if (a.one.closest('.tl-code') && a.one.closest('.tl-code') === b.one.closest('.tl-code')) continue;
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 2 && high > 3) found.push(`${{name(a.one)}} overlaps ${{name(b.one)}}`);
  }}
}}
return [...new Set(found)].slice(0, 12);
}}"""


async def nothing_is_cut(page: Page) -> None:
    """Fails when text is cut off without an ellipsis, or the page is wider than the window."""
    found: list[str] = await page.evaluate(CUT)
    assert not found, "\n".join([page.url, *found])


async def nothing_overlaps(page: Page) -> None:
    """Fails when a control or text lies over another."""
    found: list[str] = await page.evaluate(OVERLAPS)
    assert not found, "\n".join([page.url, *found])
