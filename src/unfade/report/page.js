"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (selector, root = document) => root.querySelector(selector);
  const page = document.documentElement;
  const tracks = JSON.parse(one("#tracks-data").textContent);
  const tip = one("#tip"), find = one("#find"), found = one("#found"), clear = one("#clear");
  const charts = all(".curves").map(chart);
  let picked = null;
  page.classList.remove("still");

  // One track, marked in every figure.
  function pick(track) {
    picked = track;
    all(".picked").forEach((element) => element.classList.remove("picked"));
    const there = track === null ? [] : all(`[data-t="${track}"]`).filter((e) => e.closest(".outlines, #looks"));
    there.forEach((element) => {
      element.classList.add("picked");
      if (element.closest(".outlines")) element.parentNode.append(element); // above its neighbours
    });
    charts.forEach((c) => c.pick(track));
    if (document.activeElement !== find) find.value = track ?? "";
    clear.hidden = track === null;
    found.textContent = track === null ? "" : about(track);
  }

  function about(track) {
    const known = tracks[track];
    if (!known) return Object.keys(tracks).length ? "no such track" : "";
    const [first, last, number, parent] = known;
    const span = first === last ? `frame ${first}` : `frames ${first}–${last}`;
    const gaps = number < last - first + 1 ? `, seen in ${number}` : "";
    return `${span}${gaps}${parent ? `, from ${parent}` : ""}`;
  }

  find.addEventListener("input", () => pick(/^\d+$/.test(find.value) ? Number(find.value) : null));
  clear.addEventListener("click", () => { find.value = ""; pick(null); find.focus(); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && picked !== null) { find.value = ""; pick(null); } });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-pick]");
    if (link) pick(Number(link.dataset.pick) === picked ? null : Number(link.dataset.pick));
  });

  // Ratio curves: the line nearest to the pointer, and the values of its frame.
  function chart(figure) {
    const area = one(".area", figure), svg = one("svg", area), reading = one(".reading", figure);
    const low = Number(figure.dataset.low), high = Number(figure.dataset.high);
    const places = figure.dataset.places.split(" ").map(Number);
    const frameAt = new Map(places.map((place, frame) => [place, frame]));
    const box = svg.viewBox.baseVal;
    const rows = all(".values tbody tr", figure).map((row) => [...row.cells].map((cell) => cell.textContent));
    const timed = rows.length > 0 && rows[0].length === 6;
    const paths = all(".tracks path", svg);
    const byTrack = new Map(paths.map((path) => [Number(path.dataset.t), path]));
    svg.style.setProperty("--faint", Math.min(0.6, Math.max(0.06, 2.2 / Math.sqrt(paths.length))));
    let lines = null, near = null;

    // Points of each line as [frame -> height]; read from the drawing, so that nothing is stored twice.
    function read(path) {
      const heights = new Map();
      let x = 0, y = 0;
      for (const [, command, a, b] of path.getAttribute("d").matchAll(/([Ml])(-?\d+) (-?\d+)/g)) {
        x = Number(a) + (command === "l" ? x : 0);
        y = Number(b) + (command === "l" ? y : 0);
        heights.set(frameAt.get(x), y);
      }
      return heights;
    }

    function nearest(event) {
      lines ??= paths.map((path) => [Number(path.dataset.t), read(path)]);
      const size = area.getBoundingClientRect();
      const x = (event.clientX - size.left) / size.width * box.width;
      const y = (event.clientY - size.top) / size.height * box.height;
      let frame = 0;
      places.forEach((place, t) => { if (Math.abs(place - x) < Math.abs(places[frame] - x)) frame = t; });
      let best = null, gap = 40 * box.height / size.height;
      for (const [track, heights] of lines) {
        const away = Math.abs((heights.get(frame) ?? Infinity) - y);
        if (away < gap) { gap = away; best = track; }
      }
      return [frame, best];
    }

    function value(track, frame) {
      const height = read(byTrack.get(track)).get(frame);
      return height === undefined ? "no value" : (low + (1 - height / box.height) * (high - low)).toPrecision(3);
    }

    function say(frame, track) {
      const row = rows[frame];
      const when = timed ? `frame ${row[0]} (${row[1]})` : `frame ${row[0]}`;
      const [n, , middle] = row.slice(timed ? 2 : 1);
      const own = track !== null && byTrack.has(track) ? `track ${track}: ${value(track, frame)}, ` : "";
      reading.textContent = `${when}: ${own}median ${middle}, n ${n}`;
    }

    area.addEventListener("pointermove", (event) => {
      if (!rows.length) return;
      const [frame, track] = nearest(event);
      near = track;
      one(".hint", svg).setAttribute("d", track === null ? "" : byTrack.get(track).getAttribute("d"));
      say(frame, track ?? picked);
    });
    area.addEventListener("pointerleave", () => { near = null; one(".hint", svg).setAttribute("d", ""); reading.textContent = ""; });
    area.addEventListener("click", () => pick(near === picked ? null : near));
    return {
      pick(track) {
        const path = byTrack.get(track);
        one(".pick", svg).setAttribute("d", path ? path.getAttribute("d") : "");
      },
    };
  }

  // Frames: arrangement, size, outlines; windows scroll together.
  const shots = one(".shots");
  if (shots) {
    const figures = all(".shot", shots), windows = all(".window", shots), slide = one("#slide");
    const show = () => figures.forEach((figure, n) => figure.classList.toggle("shown", n === Number(slide ? slide.value : 0)));
    const press = (name, chosen) => all(`[data-${name}]`).forEach((b) => b.setAttribute("aria-pressed", String(b === chosen)));
    all("[data-arrange]").forEach((button) => button.addEventListener("click", () => {
      press("arrange", button);
      const single = button.dataset.arrange === "one";
      shots.classList.toggle("one", single);
      slide.parentNode.hidden = !single;
      show();
    }));
    all("[data-zoom]").forEach((button) => button.addEventListener("click", () => {
      press("zoom", button);
      const before = Number(shots.style.getPropertyValue("--zoom") || 1), after = Number(button.dataset.zoom);
      const middle = windows.map((w) => [(w.scrollLeft + w.clientWidth / 2) / before, (w.scrollTop + w.clientHeight / 2) / before]);
      shots.classList.toggle("zoomed", after > 1);
      windows.forEach((w) => { w.style.height = after > 1 ? `${w.style.height ? parseFloat(w.style.height) : w.offsetHeight}px` : ""; });
      shots.style.setProperty("--zoom", after);
      windows.forEach((w, n) => w.scrollTo(middle[n][0] * after - w.clientWidth / 2, middle[n][1] * after - w.clientHeight / 2));
    }));
    if (slide) slide.addEventListener("input", show);
    one("#outlined").addEventListener("change", (event) => all(".outlines").forEach((g) => g.classList.toggle("off", !event.target.checked)));
    windows.forEach((w) => {
      let held = null;
      w.addEventListener("scroll", () => windows.forEach((other) => {
        if (other !== w && (other.scrollLeft !== w.scrollLeft || other.scrollTop !== w.scrollTop)) other.scrollTo(w.scrollLeft, w.scrollTop);
      }));
      w.addEventListener("pointerdown", (event) => { if (event.pointerType === "mouse") held = [event.clientX, event.clientY, false]; });
      w.addEventListener("pointermove", (event) => {
        if (!held || !event.buttons) { held = null; w.classList.remove("held"); return; }
        if (Math.hypot(event.movementX, event.movementY) > 0) held[2] = true;
        w.classList.add("held");
        w.scrollBy(-event.movementX, -event.movementY);
      });
      w.addEventListener("pointerup", () => { w.classList.remove("held"); });
      w.addEventListener("click", (event) => {
        const moved = held && Math.hypot(event.clientX - held[0], event.clientY - held[1]) > 4;
        held = null;
        const path = event.target.closest("[data-t]");
        if (path && !moved) pick(Number(path.dataset.t) === picked ? null : Number(path.dataset.t));
      });
    });
    shots.addEventListener("pointermove", (event) => {
      const path = event.target.closest("[data-t]");
      tip.hidden = !path;
      if (!path) return;
      tip.textContent = `track ${path.dataset.t}`;
      tip.style.left = `${Math.min(event.clientX + 14, innerWidth - 90)}px`;
      tip.style.top = `${event.clientY + 14}px`;
    });
    shots.addEventListener("pointerleave", () => { tip.hidden = true; });
  }

  // The table of objects worth a look: sort by any column, keep the reasons chosen.
  const looks = one("#looks");
  if (looks) {
    const body = looks.tBodies[0], heads = all("th[data-sort]", looks);
    const key = (row, column) => row.cells[column].dataset.v ?? row.cells[column].textContent;
    const number = (text) => (text === "nan" ? Infinity : Number(text));
    heads.forEach((head) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const column = head.cellIndex, rows = [...body.rows];
        const numeric = rows.every((row) => "v" in row.cells[column].dataset);
        rows.sort((a, b) => numeric
          ? number(key(a, column)) - number(key(b, column))
          : key(a, column).localeCompare(key(b, column)));
        body.append(...(down ? rows.reverse() : rows));
        show();
      });
    });
    const more = one("#more");
    let most = 25;
    function show() {
      const kept = new Set(all('.reason[aria-pressed="true"]').map((b) => b.dataset.reason));
      let shown = 0, fitting = 0;
      for (const row of body.rows) {
        const fits = kept.size === 0 || kept.has(row.dataset.reason);
        fitting += fits;
        row.classList.toggle("folded", !fits || shown >= most);
        shown += fits && shown < most;
      }
      more.hidden = shown === fitting;
      more.textContent = `Show all ${fitting} rows`;
    }
    all(".reason").forEach((button) => button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
      show();
    }));
    more.addEventListener("click", () => { most = Infinity; show(); });
    show();
  }

  // Closed parts are opened for the printer.
  let closed = [];
  addEventListener("beforeprint", () => { closed = all("details:not([open])"); closed.forEach((d) => { d.open = true; }); });
  addEventListener("afterprint", () => closed.forEach((d) => { d.open = false; }));
  page.dataset.ready = "yes";
})();
