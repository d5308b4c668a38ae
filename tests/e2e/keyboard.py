"""With the keyboard alone: Tab visits everything that can be used, and the focus is seen there."""

from __future__ import annotations

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
# Where the focus is: whether it was there before, and whether a person sees it: an outline of 2
# pixels or more, inside the window, with nothing lying over it.
FOCUS = """() => {
  const one = document.activeElement;
  if (!one || one === document.body || one === document.documentElement) return null;
  window.visited ??= new Set();
  const isNew = !window.visited.has(one);
  window.visited.add(one);
  const style = getComputedStyle(one), box = one.getBoundingClientRect();
  const [x, y] = [box.left + box.width / 2, box.top + Math.min(box.height, innerHeight) / 2];
  const top = document.elementFromPoint(x, y);
  return {
    isNew,
    name: one.outerHTML.slice(0, 120),
    isMarked: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    isInside: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    isCovered: !!top && !one.contains(top) && !top.contains(one),
  };
}"""
MOST = 300


def walk(page: Page) -> list[str]:
    """Press Tab until the whole page was visited; return what is wrong."""
    page.evaluate("() => { document.activeElement?.blur(); window.visited = new Set(); }")
    reachable, visited, found = page.evaluate(REACHABLE), 0, list[str]()
    for _ in range(MOST):
        page.keyboard.press("Tab")
        focus = page.evaluate(FOCUS)
        if focus is None:
            if visited >= reachable:
                break
            continue  # the browser's own place between the last element and the first
        if not focus["isNew"]:
            continue  # inside a player, or a picker's parts
        visited += 1
        for name, is_wrong in (
            ("no outline on", not focus["isMarked"]),
            ("the focus is out of sight on", not focus["isInside"]),
            ("something covers", focus["isCovered"]),
        ):
            found += [f"{name} {focus['name']}"] if is_wrong else []
    if visited < reachable:
        found.append(f"Tab visits {visited} of {reachable}")
    return found
