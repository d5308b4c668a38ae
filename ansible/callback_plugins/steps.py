"""What a person sees of a playbook: one line a play on a terminal; in a pipe changes and failures.

Where a whole log is kept (ANSIBLE_LOG_PATH, as `make deploy` sets it) everything that Ansible's own
callback says goes there, and only the short form to the screen. Without one, or with CTLV_VERBOSE,
this is Ansible's own callback. In neither do errors and warnings of a task with a secret (no_log)
quote anything: ansible-core 2.19 shows their source, their values and what a module said.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import threading
import time

from ansible.plugins.callback.default import CallbackModule as Default
from ansible.utils.display import Display

from ansible import constants

DOCUMENTATION = """
    name: steps
    type: stdout
    short_description: one line a play, the whole in a log
    description: As the default callback, in the log; on the screen what a person wants to know.
    extends_documentation_fragment: [default_callback, result_format_callback]
"""
RECAP = ("ok", "changed", "unreachable", "failures", "skipped", "rescued", "ignored")
SLOWEST = 20
CAUSE_LINES = 20
ERASE = "\r\x1b[K"


class Log:
    """Ansible's display for the default callback: what that says goes to the log alone."""

    def __init__(self, real):
        self.real = real

    def __getattr__(self, name):
        return getattr(self.real, name)

    def display(self, msg, *_, screen_only=False, **__):
        if not screen_only:
            self.real.display(msg, log_only=True)

    def banner(self, msg, **_):
        self.display(f"\n{msg}")

    def _error(self, error, stderr):
        # Its text is made by Ansible's own method, and shown by ours.
        Display._error(self, error, stderr)


class CallbackModule(Default):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "steps"

    def __init__(self):
        super().__init__()
        self.real, self.log = self._display, constants.DEFAULT_LOG_PATH
        self.is_short = bool(self.log) and not os.environ.get("CTLV_VERBOSE")
        self.is_live = self.is_short and sys.stdout.isatty()
        self.began = self.play_began = self.task_began = time.monotonic()
        self.plays, self.play_number, self.task, self.tasks = 0, 0, "", 0
        self.counts = dict.fromkeys(("tasks", "changed", "failed"), 0)
        self.took = []
        self.is_asking, self.is_drawn, self.lock = True, False, threading.Lock()
        if self.is_short:
            self._display = Log(self.real)
        if self.is_live:
            self._share_the_screen()

    # --- the screen -------------------------------------------------------------------

    def _share_the_screen(self):
        """Whoever says something, a worker's warning too, says it on a line without progress."""
        say = self.real.display

        def display(msg, *words, **options):
            # A worker has a queue to the main process, and must not touch its lock.
            if self.real._final_q or options.get("log_only"):
                return say(msg, *words, **options)
            with self.lock:
                self._erase()
                say(msg, *words, **options)
                sys.stdout.flush()
            return None

        self.real.display = display
        ended = threading.Event()

        def tick():
            while not ended.wait(1):
                self._draw()

        threading.Thread(target=tick, daemon=True).start()
        atexit.register(self._erase)
        atexit.register(ended.set)

    def _erase(self):
        if self.is_drawn:
            os.write(1, ERASE.encode())
            self.is_drawn = False

    def _draw(self):
        if not self.is_live or self.is_asking:
            return
        with self.lock:
            text = f"{self._step()}: task {self.counts['tasks']}, {self._since(self.play_began)}"
            text = f"{text}  {self.task}"[: shutil.get_terminal_size().columns - 1]
            # The cursor stays in front: what else is written here begins on this line.
            os.write(1, f"{ERASE}{text}\r".encode(errors="replace"))
            self.is_drawn = True

    def _show(self, text, color=None):
        self.real.display(text, color=color, screen_only=True)
        sys.stdout.flush()

    def _since(self, began):
        minutes, seconds = divmod(int(time.monotonic() - began), 60)
        return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"

    def _step(self):
        return f"[{self.play_number}/{self.plays}] {self._play.get_name().strip()}"

    # --- what happens -----------------------------------------------------------------

    def v2_playbook_on_start(self, playbook):
        super().v2_playbook_on_start(playbook)
        self.plays = len(playbook.get_plays())

    def v2_playbook_on_vars_prompt(self, *_, **__):
        self.is_asking = True
        self._erase()

    def v2_playbook_on_play_start(self, play):
        self._end_play()
        super().v2_playbook_on_play_start(play)
        self.play_number += 1
        self.play_began, self.task = time.monotonic(), ""
        self.counts = dict.fromkeys(self.counts, 0)
        self.is_asking = False

    def _end_play(self):
        self._end_task()
        if self.is_live and self._play and self.counts["tasks"]:
            mark = "✗" if self.counts["failed"] else "✓"
            changed = f", {self.counts['changed']} changed" if self.counts["changed"] else ""
            took = self._since(self.play_began)
            self._show(f"{mark} {self._step()}: {self.counts['tasks']} done{changed}, {took}")

    def _task_start(self, task, prefix=None):
        self._end_task()
        super()._task_start(task, prefix)
        self.counts["tasks"] += 1
        self.tasks += 1
        self.task = task.get_name().strip()
        self.is_asking = task.action.rpartition(".")[2] == "pause"
        if self.is_asking:
            self._erase()
        self._draw()

    def _end_task(self):
        if self.task:
            self.took.append((time.monotonic() - self.task_began, self.task))
        self.task_began = time.monotonic()

    def v2_runner_on_ok(self, result):
        if result.result.get("changed"):
            self.counts["changed"] += 1
            if self.is_short and not self.is_live:
                self._show(
                    f"changed: [{self.host_label(result)}] {self.task}", constants.COLOR_CHANGED
                )
        super().v2_runner_on_ok(result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        cause = self._cause(result)
        super().v2_runner_on_failed(result, ignore_errors)
        if ignore_errors:
            return
        if not is_rescued(result.task):
            self._show_failure("failed", result, cause)
        elif self.is_short:
            self._show(f"rescued: [{self.host_label(result)}] {self.task}", constants.COLOR_WARN)

    def v2_runner_on_unreachable(self, result):
        cause = self._cause(result)
        super().v2_runner_on_unreachable(result)
        if not result.task.ignore_unreachable:
            self._show_failure("unreachable", result, cause)

    def _show_failure(self, what, result, cause):
        self.counts["failed"] += 1
        if self.is_short:
            lines = [f"{what}: [{self.host_label(result)}] {self.task}", *cause]
            self._show("\n    ".join(lines), constants.COLOR_ERROR)
            self._show(f"  Next: the whole log is {os.path.relpath(self.log)}")

    def _cause(self, result):
        """What the task, or each item of it that failed, said last."""
        if is_secret(result):
            return ["it carries a secret: what it said is not shown (no_log)"]
        items = [one for one in result.result.get("results") or [] if one.get("failed")]
        said = []
        for one in items or [result.result]:
            keys = ("msg", "module_stderr", "stderr", "stdout")
            said += [line for key in keys for line in text(one.get(key)).splitlines()]
        return [line for line in dict.fromkeys(said) if line.strip()][-CAUSE_LINES:]

    def _handle_warnings_and_exception(self, result):
        if is_secret(result):
            where = f"{result.task.get_path()}\n"
            if result.result.pop("exception", None):
                self._display.display(f"[ERROR]: a task with a secret failed\nOrigin: {where}")
            kinds = [result.result.pop(kind, None) for kind in ("warnings", "deprecations")]
            if any(kinds):
                self.real.warning(f"a task with a secret warned of something\nOrigin: {where}")
        super()._handle_warnings_and_exception(result)

    def v2_playbook_on_stats(self, stats):
        self._end_play()
        self.is_asking = True
        super().v2_playbook_on_stats(stats)
        if not self.is_short:
            return
        for seconds, name in sorted(self.took, reverse=True)[:SLOWEST]:
            self._display.display(f"{seconds:8.2f} s  {name}")
        for host in sorted(stats.processed):
            counts = stats.summarize(host)
            color = constants.COLOR_ERROR if counts["failures"] or counts["unreachable"] else None
            self._show(f"{host} : {' '.join(f'{name}={counts[name]}' for name in RECAP)}", color)
        took = self._since(self.began)
        self._show(f"tasks: {self.tasks} in {took}; the whole log: {os.path.relpath(self.log)}")


def text(value):
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value or "")


def is_secret(result):
    told = result.result
    return bool(result.task.no_log or told.get("_ansible_no_log") or "censored" in told)


def is_rescued(task):
    """Whether it, or what includes it, stands in a block with a rescue."""
    inner, outer = task, task._parent
    while outer:
        tried = outer.block if getattr(outer, "rescue", None) else []
        if any(one._uuid == inner._uuid for one in tried):
            return True
        inner, outer = outer, outer._parent
    return False
