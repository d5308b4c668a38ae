"""With the keyboard alone: Tab visits everything that can be used, and the focus is seen there."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

# What Tab should reach: whatever can be used and is laid out. Of radio buttons of one name Tab
# visits one, the arrows the others.
REACHABLE = """() => {
  const names = new Set();
  return [...document.querySelectorAll(
    'a[href], button, input:not([type=hidden]), select, textarea, summary, audio[controls]')]
    .filter(one => !one.disabled && one.tabIndex >= 0)
    .filter(one => one.checkVisibility({visibilityProperty: true}))
    .filter(one => one.type !== 'radio' || (!names.has(one.name) && names.add(one.name))).length;
}"""
# At each Tab, where the focus has been until then, once; null: in no element. And whether a person
# sees it there: an outline of 2 pixels or more, inside the window, with nothing lying over it.
WATCH = """() => {
  document.activeElement?.blur();
  window.watched?.abort();
  window.watched = new AbortController();
  const visited = new Set();
  window.told = [];
  window.tell = () => {
    const one = document.activeElement;
    if (!one || one === document.body || one === document.documentElement) return told.push(null);
    if (visited.has(one)) return;
    visited.add(one);
    const style = getComputedStyle(one), box = one.getBoundingClientRect();
    const [x, y] = [box.left + box.width / 2, box.top + Math.min(box.height, innerHeight) / 2];
    const top = document.elementFromPoint(x, y);
    told.push({
      name: one.outerHTML.slice(0, 120),
      isMarked: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
      isInside: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
      isCovered: !!top && !one.contains(top) && !top.contains(one),
    });
  };
  window.addEventListener('keydown', tell, { capture: true, signal: watched.signal });
}"""
MOST = 300


def walk(page: Page) -> list[str]:
    """Hold Tab until the whole page was visited; return what is wrong.

    The page itself notes where the focus is: to ask for it after each Tab cost more than all else.
    """
    page.evaluate(WATCH)
    reachable, pressed, visited = page.evaluate(REACHABLE), 0, list[dict[str, Any]]()
    while pressed < MOST:
        # One for each, and one more: the browser's own place between the last and the first.
        presses = max(reachable - len(visited), 0) + 2
        for _ in range(presses):
            page.keyboard.down("Tab")
        page.keyboard.up("Tab")
        pressed += presses
        told = page.evaluate("() => { tell(); return told; }")
        visited = [focus for focus in told if focus]
        if len(visited) >= reachable and None in told[reachable:]:
            break
    found = [
        f"{what} {focus['name']}"
        for focus in visited
        for what, is_wrong in (
            ("no outline on", not focus["isMarked"]),
            ("the focus is out of sight on", not focus["isInside"]),
            ("something covers", focus["isCovered"]),
        )
        if is_wrong
    ]
    if len(visited) < reachable:
        found.append(f"Tab visits {len(visited)} of {reachable}")
    return found
