"use strict";
// The behaviour of an image map. plotly.js draws the dots and handles moving, zooming and the
// lasso; the pictures are drawn on a canvas above it. Names and labels reach the page only as text
// (textContent, value), never as HTML, and never through plotly, which interprets some markup.
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const { names, x, y, cell, columns, perSheet, widths, heights, slots, order, neighbours } = data;
  const n = names.length;
  const map = byId("map"), overlay = byId("overlay"), pen = overlay.getContext("2d");
  const KEPT_SHEETS = 48; // decoded, of up to 4 MB each
  const REACH = 12; // pixels from a dot within which it is pointed at
  const NEW_SELECTION = () => new Set();

  let colouring = data.colourings[0];
  let selection = null; // a Set of images, or null
  let pinned = null; // the image in the panel
  let shown = []; // pictures on the map: {i, left, top, width, height}
  let home = null; // the view of the whole map
  let planned = { spacing: 0, images: [] };
  let matches = [], match = -1;

  // Pictures ---------------------------------------------------------------------------------

  const sheets = new Map(); // number -> {bitmap, ready}

  function sheetOf(image) {
    const number = Math.floor(slots[image] / perSheet);
    if (!sheets.has(number)) {
      const sheet = { bitmap: null, used: true };
      const file = new Image();
      file.src = "data:image/jpeg;base64," + byId(`sheet-${number}`).textContent;
      sheet.ready = file.decode().then(() => createImageBitmap(file)).then((bitmap) => {
        sheet.bitmap = bitmap;
        redraw();
      });
      sheets.set(number, sheet);
    }
    sheets.get(number).used = true;
    return sheets.get(number);
  }

  function forgetSheets() {
    if (sheets.size <= KEPT_SHEETS) return;
    for (const [number, sheet] of sheets) if (!sheet.used) sheets.delete(number);
  }

  function drawPicture(pen, bitmap, image, left, top, width, height) {
    const place = slots[image] % perSheet;
    pen.imageSmoothingEnabled = width < 3 * widths[image];
    pen.drawImage(bitmap, (place % columns) * cell, Math.floor(place / columns) * cell,
      widths[image], heights[image], left, top, width, height);
  }

  function sizeWithin(image, side) {
    const factor = side / Math.max(widths[image], heights[image]);
    return [widths[image] * factor, heights[image] * factor];
  }

  async function fillCanvas(canvas, image, side) {
    const [width, height] = sizeWithin(image, side);
    canvas.width = Math.max(1, Math.round(width * devicePixelRatio));
    canvas.height = Math.max(1, Math.round(height * devicePixelRatio));
    canvas.style.width = `${width}px`;
    canvas.image = image;
    const sheet = sheetOf(image);
    await sheet.ready;
    if (canvas.image !== image) return; // another one was asked for in the meantime
    drawPicture(canvas.getContext("2d"), sheet.bitmap, image, 0, 0, canvas.width, canvas.height);
  }

  // The view ---------------------------------------------------------------------------------

  const view = () => ({ x: map.layout.xaxis.range, y: map.layout.yaxis.range });
  const setView = (at) => Plotly.relayout(map, { "xaxis.range": at.x, "yaxis.range": at.y });

  function around(centre, unit) { // a view with `unit` of the data per pixel
    const [halfX, halfY] = [map.clientWidth * unit / 2, map.clientHeight * unit / 2];
    return { x: [centre[0] - halfX, centre[0] + halfX], y: [centre[1] - halfY, centre[1] + halfY] };
  }

  const unitOf = (at) => (at.x[1] - at.x[0]) / map.clientWidth;
  const centreOf = (at) => [(at.x[0] + at.x[1]) / 2, (at.y[0] + at.y[1]) / 2];

  function wholeMap() {
    const [x0, x1, y0, y1] = data.extent;
    const margin = 60; // pixels, for pictures at the edge
    const unit = Math.max((x1 - x0) / Math.max(50, map.clientWidth - margin),
      (y1 - y0) / Math.max(50, map.clientHeight - margin)) || 1;
    return around([(x0 + x1) / 2, (y0 + y1) / 2], unit);
  }

  function zoom(factor) {
    setView(around(centreOf(view()), unitOf(view()) / factor));
  }

  function move(right, up) {
    const { x, y } = view();
    const [dx, dy] = [right * (x[1] - x[0]), up * (y[1] - y[0])];
    setView({ x: [x[0] + dx, x[1] + dx], y: [y[0] + dy, y[1] + dy] });
  }

  // Pictures on the map ----------------------------------------------------------------------

  // Chosen for the whole map and kept while it is moved, so that no picture comes and goes: in
  // the order of `order`, every image whose picture covers none of those already chosen.
  function plan(spacing) {
    if (planned.spacing === spacing) return planned.images;
    const taken = new Map(), images = [];
    const WIDE = 2 ** 24;
    for (const i of order) {
      const column = Math.floor((x[i] - data.extent[0]) / spacing) + 1;
      const row = Math.floor((y[i] - data.extent[2]) / spacing) + 1;
      let free = true;
      for (let dc = -1; free && dc <= 1; dc++) {
        for (let dr = -1; free && dr <= 1; dr++) {
          const j = taken.get((column + dc) * WIDE + row + dr);
          free = j === undefined ||
            Math.abs(x[i] - x[j]) >= spacing || Math.abs(y[i] - y[j]) >= spacing;
        }
      }
      if (!free) continue;
      taken.set(column * WIDE + row, i);
      images.push(i);
    }
    planned = { spacing, images };
    return images;
  }

  function pictureSide() { // grows slowly as the map is enlarged
    const zoomed = unitOf(home) / unitOf(view());
    return byId("size").value * Math.min(2.5, Math.max(1, zoomed) ** 0.3);
  }

  function draw() {
    const width = map.clientWidth, height = map.clientHeight, at = view(), unit = unitOf(at);
    const place = (i) => [(x[i] - at.x[0]) / unit, (at.y[1] - y[i]) / unit];
    if (overlay.width !== Math.round(width * devicePixelRatio)) overlay.width = width * devicePixelRatio;
    if (overlay.height !== Math.round(height * devicePixelRatio)) overlay.height = height * devicePixelRatio;
    pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const side = pictureSide();
    for (const sheet of sheets.values()) sheet.used = false;
    shown = [];
    for (const i of side ? plan((side + 4) * unit) : []) {
      const [left, top] = place(i);
      if (left > -side && top > -side && left < width + side && top < height + side) {
        shown.push(drawFramed(i, left, top, side));
      }
    }
    pen.globalAlpha = 1;
    if (pinned !== null) drawNeighbours(place);
    forgetSheets();
    overlay.dataset.shown = shown.length;
    byId("status").textContent = `${n.toLocaleString("en")} images, ` +
      `${shown.length.toLocaleString("en")} of them drawn as pictures` +
      (shown.length < n ? "; zoom in to see more" : "");
  }

  function drawFramed(i, centreX, centreY, side) {
    const [width, height] = sizeWithin(i, side);
    const left = centreX - width / 2, top = centreY - height / 2;
    const { bitmap } = sheetOf(i);
    pen.globalAlpha = selection && !selection.has(i) ? 0.15 : 1;
    pen.fillStyle = colouring.colors[colouring.codes[i]];
    pen.fillRect(left - 1.5, top - 1.5, width + 3, height + 3);
    if (bitmap) drawPicture(pen, bitmap, i, left, top, width, height);
    return { i, left, top, width, height };
  }

  function drawNeighbours(place) {
    const [left, top] = place(pinned);
    pen.strokeStyle = getComputedStyle(map).getPropertyValue("--accent");
    for (const j of neighbours[pinned]) {
      const [jLeft, jTop] = place(j);
      pen.lineWidth = 1;
      pen.beginPath(); pen.moveTo(left, top); pen.lineTo(jLeft, jTop); pen.stroke();
      pen.lineWidth = 2;
      pen.beginPath(); pen.arc(jLeft, jTop, 6, 0, 7); pen.stroke();
    }
    pen.lineWidth = 3;
    pen.beginPath(); pen.arc(left, top, 11, 0, 7); pen.stroke();
  }

  let waiting = false;
  function redraw() {
    if (waiting || !home) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  }

  // Pointing and clicking --------------------------------------------------------------------

  function imageAt(event) {
    const box = map.getBoundingClientRect(), at = view(), unit = unitOf(at);
    const left = event.clientX - box.left, top = event.clientY - box.top;
    const picture = shown.find((p) => left >= p.left && left <= p.left + p.width &&
      top >= p.top && top <= p.top + p.height);
    if (picture) return picture.i;
    const [px, py] = [at.x[0] + left * unit, at.y[1] - top * unit];
    let nearest = null, least = REACH * unit;
    for (let i = 0; i < n; i++) {
      const distance = Math.hypot(x[i] - px, y[i] - py);
      if (distance < least) [nearest, least] = [i, distance];
    }
    return nearest;
  }

  function valueOf(by, i) {
    return by.values ? by.values[i] ?? "none" : by.classes[by.codes[i]];
  }

  function showTip(event) {
    const tip = byId("tip"), i = event.buttons ? null : imageAt(event);
    tip.hidden = i === null;
    map.style.cursor = "";
    if (i === null) return;
    const [canvas, name, label] = tip.children;
    if (canvas.image !== i) fillCanvas(canvas, i, 160);
    name.textContent = names[i];
    label.textContent = colouring.name ? `${colouring.name}: ${valueOf(colouring, i)}` : "";
    const left = event.clientX + 18, top = event.clientY + 18;
    tip.style.left = `${left + tip.offsetWidth > innerWidth ? left - tip.offsetWidth - 36 : left}px`;
    tip.style.top = `${Math.max(4, Math.min(top, innerHeight - tip.offsetHeight - 8))}px`;
  }

  function pin(i) {
    pinned = i;
    byId("hint").hidden = true;
    byId("chosen").hidden = false;
    fillCanvas(byId("picture"), i, 220);
    byId("picture").setAttribute("aria-label", names[i]);
    byId("name").textContent = names[i];
    byId("facts").replaceChildren(...data.colourings.filter((by) => by.name).flatMap((by) =>
      [element("dt", by.name), element("dd", valueOf(by, i))]));
    byId("neighbours").replaceChildren(...neighbours[i].map((j) => {
      const button = element("button"), canvas = element("canvas");
      button.title = names[j];
      button.setAttribute("aria-label", names[j]);
      button.style.borderColor = colouring.colors[colouring.codes[j]];
      button.append(canvas);
      button.addEventListener("click", () => { pin(j); show(j); });
      fillCanvas(canvas, j, 44);
      return button;
    }));
    redraw();
  }

  function show(i) { // moves the map only if the image is out of sight
    const at = view();
    const inside = x[i] > at.x[0] && x[i] < at.x[1] && y[i] > at.y[0] && y[i] < at.y[1];
    if (!inside) setView(around([x[i], y[i]], unitOf(at)));
  }

  function element(tag, text) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // Colours, selection and search ------------------------------------------------------------

  function colourBy(number) {
    colouring = data.colourings[number];
    Plotly.restyle(map, { "marker.color": [colouring.codes.map((code) => colouring.colors[code])] });
    byId("legend-title").textContent = colouring.name || "Colours";
    byId("legend").replaceChildren(...(colouring.values ? scale() : colouring.classes.map(entry)));
    if (pinned !== null) pin(pinned);
    redraw();
  }

  function entry(label, code) {
    const button = element("button"), dot = element("i");
    const members = colouring.codes.flatMap((other, i) => (other === code ? [i] : []));
    dot.style.background = colouring.colors[code];
    button.append(dot, element("span", label), element("small", members.length.toLocaleString("en")));
    button.setAttribute("aria-pressed", "false");
    button.members = members;
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") === "false");
      const chosen = [...byId("legend").querySelectorAll("[aria-pressed=true]")];
      choose(chosen.flatMap((each) => each.members), "legend");
    });
    return button;
  }

  function scale() {
    const bar = element("div"), ends = element("div");
    bar.className = "scale";
    bar.style.background = `linear-gradient(90deg, ${colouring.colors.slice(0, -1).join()})`;
    ends.className = "ends";
    ends.append(...colouring.ends.map((value) => element("span", value)));
    return [bar, ends];
  }

  function choose(images, source) {
    selection = images.length ? new Set(images) : null;
    const chosen = selection ? [...selection].sort((i, j) => i - j) : [];
    if (source !== "legend") {
      byId("legend").querySelectorAll("button").forEach((b) => b.setAttribute("aria-pressed", "false"));
    }
    if (source !== "search") byId("search").value = "";
    Plotly.update(map, { selectedpoints: [selection && chosen] }, { selections: [] });
    byId("n-selected").textContent = selection ? chosen.length.toLocaleString("en") : "";
    byId("select-hint").hidden = Boolean(selection);
    byId("selected").hidden = !selection;
    byId("list").value = chosen.map((i) => names[i]).join("\n");
    redraw();
  }

  function search() {
    const text = byId("search").value.toLowerCase();
    matches = text ? names.flatMap((name, i) => (name.toLowerCase().includes(text) ? [i] : [])) : [];
    match = -1;
    choose(matches, "search");
    byId("search").setAttribute("aria-invalid", Boolean(text) && !matches.length);
  }

  function nextMatch() {
    if (!matches.length) return;
    match = (match + 1) % matches.length;
    pin(matches[match]);
    show(matches[match]);
  }

  // Lists ------------------------------------------------------------------------------------

  function save(text, name) {
    const link = element("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  function table() {
    const columns = data.colourings.filter((by) => by.name);
    const quote = (value) => `"${String(value).replaceAll('"', '""')}"`;
    const rows = [["row", "name", ...columns.map((by) => by.name)]];
    for (const i of [...selection].sort((i, j) => i - j)) {
      rows.push([i, names[i], ...columns.map((by) => valueOf(by, i))]);
    }
    return rows.map((row) => row.map(quote).join(",")).join("\r\n") + "\r\n";
  }

  async function copy() {
    byId("list").select();
    try {
      await navigator.clipboard.writeText(byId("list").value);
    } catch { // not allowed for files in some browsers
      document.execCommand("copy");
    }
    byId("copy").textContent = "Copied";
    setTimeout(() => { byId("copy").textContent = "Copy names"; }, 1500);
  }

  // Controls ---------------------------------------------------------------------------------

  function dragTo(mode) {
    for (const id of ["pan", "lasso", "select"]) byId(id).setAttribute("aria-pressed", id === mode);
    Plotly.relayout(map, { dragmode: mode });
  }

  function connect() {
    let from = null;
    map.on("plotly_relayouting", redraw);
    map.on("plotly_relayout", redraw);
    map.on("plotly_doubleclick", () => setView(home));
    map.on("plotly_selected", (event) => {
      if (!event || !event.points) return;
      const found = event.points.map((point) => point.pointIndex);
      choose(from && from.shiftKey && selection ? [...selection, ...found] : found, "lasso");
    });
    map.addEventListener("pointermove", showTip);
    map.addEventListener("pointerleave", () => { byId("tip").hidden = true; });
    map.addEventListener("pointerdown", (event) => { from = event; });
    addEventListener("pointerup", (event) => {
      if (!from || Math.hypot(event.clientX - from.clientX, event.clientY - from.clientY) > 4) return;
      const i = imageAt(event);
      if (i !== null) pin(i);
    });
    for (const mode of ["pan", "lasso", "select"]) byId(mode).onclick = () => dragTo(mode);
    byId("in").onclick = () => zoom(1.5);
    byId("out").onclick = () => zoom(1 / 1.5);
    byId("all").onclick = () => setView(home);
    byId("clear").onclick = () => choose([], "button");
    byId("copy").onclick = copy;
    byId("text").onclick = () => save(byId("list").value + "\n", "images.txt");
    byId("table").onclick = () => save(table(), "images.csv");
    byId("size").oninput = redraw;
    byId("search").oninput = search;
    byId("search").onkeydown = (event) => { if (event.key === "Enter") nextMatch(); };
    byId("colouring").onchange = (event) => colourBy(event.target.value);
    const keys = {
      ArrowLeft: () => move(-0.1, 0), ArrowRight: () => move(0.1, 0), ArrowUp: () => move(0, 0.1),
      ArrowDown: () => move(0, -0.1), "+": () => zoom(1.5), "-": () => zoom(1 / 1.5),
      0: () => setView(home),
    };
    map.addEventListener("keydown", (event) => {
      if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
    });
    new ResizeObserver(resize).observe(map);
    matchMedia("(prefers-color-scheme: dark)").onchange = redraw;
  }

  function resize() { // keeps the centre and the scale, or the whole map if that is shown
    const [width, height] = [map.clientWidth, map.clientHeight];
    if (!width || (width === map.layout.width && height === map.layout.height)) return;
    const at = view(), whole = unitOf(at) * map.clientWidth / map.layout.width;
    const atHome = at.x[0] === home.x[0] && at.y[0] === home.y[0];
    home = wholeMap();
    const next = atHome ? home : around(centreOf(at), (at.x[1] - at.x[0]) / map.layout.width);
    Plotly.relayout(map, { width, height, "xaxis.range": next.x, "yaxis.range": next.y });
  }

  async function start() {
    const webgl = document.createElement("canvas").getContext("webgl");
    const axis = (range) => ({ range, visible: false });
    home = wholeMap();
    await Plotly.newPlot(map, [{
      type: webgl ? "scattergl" : "scatter", mode: "markers", x, y, hoverinfo: "skip",
      marker: { size: n > 2000 ? 4 : 7, opacity: 0.8 },
      unselected: { marker: { opacity: 0.12 } },
    }], {
      width: map.clientWidth, height: map.clientHeight, margin: { l: 0, r: 0, t: 0, b: 0 },
      xaxis: axis(home.x), yaxis: axis(home.y), dragmode: "pan", hovermode: false,
      showlegend: false, paper_bgcolor: "transparent", plot_bgcolor: "transparent",
    }, { scrollZoom: true, displayModeBar: false, doubleClick: false });
    map.append(overlay);
    byId("colouring").append(...data.colourings.map((by, i) => new Option(by.name, i)));
    byId("colour-by").hidden = !data.colourings[0].name;
    connect();
    colourBy(0);
    redraw();
  }

  start();
})();
