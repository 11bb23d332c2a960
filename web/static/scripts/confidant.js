// What pages add where scripts run. Everything works without; nothing here keeps
// a value longer than it is shown.
(() => {
  "use strict";

  const live = (words) => {
    const region = document.getElementById("live");
    if (region) region.textContent = words;
  };

  // Keys: "/" searches; a link or button with data-shortcut is pressed by its key.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const at = event.target;
    if (at instanceof Element && at.closest("input, textarea, select, [contenteditable]")) return;
    if (event.key.length !== 1) return;
    if (event.key === "?") {
      event.preventDefault();
      location.assign("/help");
      return;
    }
    const wanted = [...document.querySelectorAll("[data-shortcut]")].find((e) => e.dataset.shortcut === event.key);
    if (!wanted) return;
    event.preventDefault();
    if (wanted.matches("input")) wanted.focus();
    else wanted.click();
  });

  // A session that is about to end says so five minutes before.
  const warnBefore = 5 * 60;
  const ends = Number(document.body.dataset.sessionEnds || 0);
  if (ends > 0 && ends < 7 * 24 * 3600) {
    setTimeout(() => {
      const box = document.createElement("div");
      box.className = "alert alert-warning";
      box.setAttribute("role", "alert");
      box.append("Your session ends in a few minutes. What is typed here and not saved is lost then. ");
      const stay = document.createElement("a");
      stay.href = "/help";
      stay.target = "_blank";
      stay.rel = "noopener";
      stay.textContent = "Stay logged in (opens another tab)";
      box.append(stay);
      document.getElementById("content").prepend(box);
    }, Math.max(0, ends - warnBefore) * 1000);
  }

  // A value that was revealed is hidden again when its time is over, or on demand:
  // what stood there before is put back.
  const masks = new WeakMap();
  document.addEventListener("htmx:beforeSwap", (event) => {
    const at = event.detail.target;
    if (at.classList.contains("pair-line") && event.detail.xhr.status === 200) masks.set(at, at.innerHTML);
  });
  const hide = (box) => {
    const line = box.closest(".pair-line");
    if (!line || !masks.has(line)) return false;
    line.innerHTML = masks.get(line);
    masks.delete(line);
    htmx.process(line);
    watch(line);
    live("The value is hidden again.");
    const button = line.querySelector("button");
    if (button && document.activeElement === document.body) button.focus();
    return true;
  };
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element)) return;
    const close = event.target.closest("[data-hide]");
    if (close && hide(close)) event.preventDefault();
  });
  const watch = (root) => {
    for (const box of root.querySelectorAll("[data-seconds]")) {
      if (box.dataset.watched) continue;
      box.dataset.watched = "true";
      // By the clock, for timers wait while a computer sleeps.
      const until = Date.now() + Number(box.dataset.seconds) * 1000;
      const shown = box.querySelector("[data-countdown]");
      const tick = () => {
        if (!box.isConnected) return;
        const left = Math.ceil((until - Date.now()) / 1000);
        if (left <= 0) {
          hide(box);
          return;
        }
        if (shown) shown.textContent = String(left);
        setTimeout(tick, 1000);
      };
      tick();
    }
    for (const button of root.querySelectorAll("[data-script-only][hidden]")) button.hidden = false;
    // Typing replaces a search that is done.
    for (const search of root.querySelectorAll("input[type=search][autofocus]")) {
      if (search.value) search.select();
    }
  };

  // Copying fetches one value, puts it on the clipboard and forgets it.
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || form.dataset.copy === undefined) return;
    event.preventDefault();
    const key = form.dataset.copy;
    try {
      const body = new URLSearchParams(new FormData(form));
      const answer = await fetch(form.action, { method: "POST", body, headers: { "HX-Request": "true", "HX-Target": "copied", "HX-Current-URL": location.href } });
      const again = answer.headers.get("HX-Redirect");
      if (again) {
        location.assign(again);
        return;
      }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!answer.ok) throw new Error(page.body.textContent.trim());
      await navigator.clipboard.writeText(page.querySelector("[data-value]").textContent);
      live("The value of " + key + " is on the clipboard.");
      const button = form.querySelector("button");
      const words = button.textContent;
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = words; }, 2000);
    } catch (error) {
      const words = "Not copied: " + (error.message || "the clipboard is not available.");
      live(words);
      const box = document.createElement("p");
      box.className = "invalid-feedback";
      box.textContent = words;
      form.after(box);
      setTimeout(() => box.remove(), 8000);
    }
  });

  document.addEventListener("DOMContentLoaded", () => watch(document));
  document.addEventListener("htmx:load", (event) => watch(event.detail.elt.parentElement || event.detail.elt));
})();
