"use strict";
// The behaviour of an image map. plotly.js draws the dots and handles moving, zooming and the
// lasso; the pictures are drawn on a canvas above it. Names and labels reach the page only as text
// (textContent, value), never as HTML, and never through plotly, which interprets some markup.
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const { rows, names, x, y, neighbours, extent, widths, heights, slots } = data;
  const n = names.length, map = byId("map"), overlay = byId("overlay"), legend = byId("legend");
  const KEPT_SHEETS = 48; // decoded, of up to 4 MB each
  const REACH = 12; // pixels from a dot within which it is pointed at
  let colouring = data.colourings[0];
  let selection = null; // a Set of images, or null
  let pinned = null; // the image in the panel
  let shown = []; // the pictures on the map: {i, bitmap, left, top, width, height}
  let home = null; // the view of the whole map
  let planned = { spacing: 0, images: [] };
  let matches = [], match = -1; // of the search

  // Pictures: sheets are decoded when one of their pictures is needed, and later forgotten.
  const sheets = new Map(); // number -> {bitmap, ready, used}

  function sheetOf(i) {
    const number = Math.floor(slots[i] / data.perSheet);
    if (!sheets.has(number)) {
      const file = new Image(), sheet = { bitmap: null };
      file.src = "data:image/jpeg;base64," + byId(`sheet-${number}`).textContent;
      sheet.ready = file.decode().then(() => createImageBitmap(file)).then((bitmap) => {
        sheet.bitmap = bitmap;
        redraw();
      });
      sheets.set(number, sheet);
    }
    return Object.assign(sheets.get(number), { used: true });
  }

  function sizeWithin(i, side) {
    const factor = side / Math.max(widths[i], heights[i]);
    return [widths[i] * factor, heights[i] * factor];
  }

  function drawPicture(pen, bitmap, i, left, top, width, height) {
    const place = slots[i] % data.perSheet, { cell, columns } = data;
    pen.imageSmoothingEnabled = width < 3 * widths[i];
    pen.drawImage(bitmap, (place % columns) * cell, Math.floor(place / columns) * cell,
      widths[i], heights[i], left, top, width, height);
  }

  async function fillCanvas(canvas, i, side) {
    const [width, height] = sizeWithin(i, side), sheet = sheetOf(i);
    canvas.width = Math.max(1, Math.round(width * devicePixelRatio));
    canvas.height = Math.max(1, Math.round(height * devicePixelRatio));
    canvas.style.width = `${width}px`;
    canvas.image = i;
    await sheet.ready;
    if (canvas.image !== i) return; // another one has been asked for in the meantime
    drawPicture(canvas.getContext("2d"), sheet.bitmap, i, 0, 0, canvas.width, canvas.height);
  }

  // The view: ranges of x and y, with the same number of pixels per unit.
  const view = () => ({ x: map.layout.xaxis.range, y: map.layout.yaxis.range });
  const unitOf = (at) => (at.x[1] - at.x[0]) / map.layout.width; // of the data per pixel
  const centreOf = (at) => [(at.x[0] + at.x[1]) / 2, (at.y[0] + at.y[1]) / 2];
  const setView = (at) => Plotly.relayout(map, { "xaxis.range": at.x, "yaxis.range": at.y });
  const zoom = (factor) => setView(around(centreOf(view()), unitOf(view()) / factor));

  function around([centreX, centreY], unit) {
    const right = map.clientWidth * unit / 2, up = map.clientHeight * unit / 2;
    return { x: [centreX - right, centreX + right], y: [centreY - up, centreY + up] };
  }

  function wholeMap() {
    const room = (pixels) => Math.max(50, pixels - 60); // for pictures at the edge
    const [x0, x1, y0, y1] = extent;
    const unit = Math.max((x1 - x0) / room(map.clientWidth), (y1 - y0) / room(map.clientHeight));
    return around([(x0 + x1) / 2, (y0 + y1) / 2], unit || 1);
  }

  function move(right, up) { // by fractions of the view
    const at = view(), [centreX, centreY] = centreOf(at);
    setView(around([centreX + right * (at.x[1] - at.x[0]), centreY + up * (at.y[1] - at.y[0])],
      unitOf(at)));
  }

  function show(i) { // moves the map only if the image is out of sight
    const at = view();
    if (x[i] > at.x[0] && x[i] < at.x[1] && y[i] > at.y[0] && y[i] < at.y[1]) return;
    setView(around([x[i], y[i]], unitOf(at)));
  }

  function resize() { // keeps the centre and the scale, or the whole map if that is shown
    const width = map.clientWidth, height = map.clientHeight, at = view();
    if (!width || (width === map.layout.width && height === map.layout.height)) return;
    const whole = at.x[0] === home.x[0] && at.y[0] === home.y[0];
    home = wholeMap();
    const next = whole ? home : around(centreOf(at), unitOf(at));
    Plotly.relayout(map, { width, height, "xaxis.range": next.x, "yaxis.range": next.y });
  }

  // Pictures on the map: in the order of `order`, every image whose picture covers none of those
  // chosen before. They are chosen for the whole map and not for the view, so that none comes or
  // goes while the map is moved.
  function plan(spacing) {
    if (planned.spacing === spacing) return planned.images;
    const taken = new Map(), images = [], key = (column, row) => column * 2 ** 24 + row;
    const covers = (i, j) => j !== undefined &&
      Math.abs(x[i] - x[j]) < spacing && Math.abs(y[i] - y[j]) < spacing;
    for (const i of data.order) {
      const column = Math.floor(x[i] / spacing) + 1, row = Math.floor(y[i] / spacing) + 1;
      let free = true;
      for (let near = 0; free && near < 9; near++) {
        free = !covers(i, taken.get(key(column + near % 3 - 1, row + Math.floor(near / 3) - 1)));
      }
      if (free) {
        taken.set(key(column, row), i);
        images.push(i);
      }
    }
    planned = { spacing, images };
    return images;
  }

  function draw() {
    const { width, height } = map.layout, at = view(), unit = unitOf(at), pen = preparePen();
    const place = (i) => [(x[i] - at.x[0]) / unit, (at.y[1] - y[i]) / unit];
    const zoomed = Math.max(1, unitOf(home) / unit);
    const side = byId("size").value * Math.min(2, zoomed ** 0.2); // grows slowly
    for (const sheet of sheets.values()) sheet.used = false;
    shown = [];
    for (const i of side ? plan((side + 4) * unit) : []) {
      const [left, top] = place(i);
      if (left < -side || top < -side || left > width + side || top > height + side) continue;
      shown.push(drawFramed(pen, i, left, top, side));
    }
    pen.globalAlpha = 1;
    if (pinned !== null) drawNeighbours(pen, place);
    if (sheets.size > KEPT_SHEETS) {
      for (const [number, sheet] of sheets) if (!sheet.used) sheets.delete(number);
    }
    overlay.dataset.shown = shown.length;
    overlay.ariaBusy = shown.some((picture) => !picture.bitmap);
    byId("status").textContent = `${n.toLocaleString("en")} images, ${shown.length} of them drawn ` +
      "as pictures" + (shown.length < n ? "; zoom in to see more" : "");
  }

  function preparePen() { // setting the size of a canvas also clears it
    overlay.width = Math.round(map.layout.width * devicePixelRatio);
    overlay.height = Math.round(map.layout.height * devicePixelRatio);
    const pen = overlay.getContext("2d");
    pen.scale(devicePixelRatio, devicePixelRatio);
    return pen;
  }

  function drawFramed(pen, i, centreX, centreY, side) {
    const [width, height] = sizeWithin(i, side), { bitmap } = sheetOf(i);
    const left = centreX - width / 2, top = centreY - height / 2;
    pen.globalAlpha = selection && !selection.has(i) ? 0.15 : 1;
    pen.fillStyle = colourOf(i);
    pen.fillRect(left - 1.5, top - 1.5, width + 3, height + 3);
    if (bitmap) drawPicture(pen, bitmap, i, left, top, width, height);
    return { i, bitmap, left, top, width, height };
  }

  function drawNeighbours(pen, place) {
    const [left, top] = place(pinned);
    const ring = (x, y, radius) => { pen.moveTo(x + radius, y); pen.arc(x, y, radius, 0, 7); };
    pen.strokeStyle = getComputedStyle(map).getPropertyValue("--accent");
    pen.lineWidth = 1.5;
    pen.beginPath();
    for (const [jLeft, jTop] of neighbours[pinned].map(place)) {
      pen.moveTo(left, top);
      pen.lineTo(jLeft, jTop);
      ring(jLeft, jTop, 6);
    }
    ring(left, top, 10);
    ring(left, top, 12);
    pen.stroke();
  }

  let waiting = false;
  function redraw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  }

  // Pointing and clicking
  function imageAt(event, reach = REACH) {
    const box = map.getBoundingClientRect(), at = view(), unit = unitOf(at);
    const left = event.clientX - box.left, top = event.clientY - box.top;
    const picture = shown.find((p) => left >= p.left && left <= p.left + p.width &&
      top >= p.top && top <= p.top + p.height);
    if (picture) return picture.i;
    let nearest = null, least = reach * unit;
    for (let i = 0; i < n; i++) {
      const distance = Math.hypot(x[i] - at.x[0] - left * unit, y[i] - at.y[1] + top * unit);
      if (distance < least) [nearest, least] = [i, distance];
    }
    return nearest;
  }

  function pinCentre() {
    const box = map.getBoundingClientRect();
    pin(imageAt({ clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 }, Infinity));
  }

  function showTip(event) {
    const tip = byId("tip"), i = event.buttons ? null : imageAt(event);
    tip.hidden = i === null;
    if (i === null) return;
    const [canvas, name, label] = tip.children;
    if (canvas.image !== i) fillCanvas(canvas, i, 160);
    name.textContent = names[i];
    label.textContent = colouring.name && `${colouring.name}: ${valueOf(colouring, i)}`;
    const { offsetWidth: width, offsetHeight: height } = tip;
    const left = event.clientX + 18 + (event.clientX + 18 + width > innerWidth ? -width - 36 : 0);
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${Math.max(4, Math.min(event.clientY + 18, innerHeight - height - 8))}px`;
  }

  function pin(i) {
    pinned = i;
    byId("hint").hidden = true;
    byId("chosen").hidden = false;
    fillCanvas(byId("picture"), i, 220);
    byId("picture").setAttribute("aria-label", names[i]);
    byId("name").textContent = names[i];
    byId("facts").replaceChildren(...named().flatMap((by) =>
      [element("dt", by.name), element("dd", valueOf(by, i))]));
    byId("neighbours").replaceChildren(...neighbours[i].map((j) => {
      const button = element("button"), canvas = element("canvas");
      button.title = names[j];
      button.setAttribute("aria-label", names[j]);
      button.style.borderColor = colourOf(j);
      button.append(canvas);
      button.onclick = () => { pin(j); show(j); };
      fillCanvas(canvas, j, 40);
      return button;
    }));
    redraw();
  }

  function element(tag, text = "") {
    return Object.assign(document.createElement(tag), { textContent: text });
  }

  // Colours, selection and search
  const named = () => data.colourings.filter((by) => by.name);
  const colourOf = (i) => colouring.colors[colouring.codes[i]];
  const colours = () => names.map((_, i) => colourOf(i));
  const valueOf = (by, i) => (by.values ? by.values[i] ?? "none" : by.classes[by.codes[i]]);
  const pressed = (button) => button.getAttribute("aria-pressed") === "true";
  const press = (button, on) => button.setAttribute("aria-pressed", on);

  function colourBy(number) {
    colouring = data.colourings[number];
    Plotly.restyle(map, { "marker.color": [colours()] });
    fillLegend();
    if (pinned !== null) pin(pinned);
    redraw();
  }

  function fillLegend() {
    byId("legend-title").textContent = colouring.name || "Colours";
    legend.replaceChildren(...(colouring.values ? scale() : classes()));
  }

  function classes() {
    const members = colouring.classes.map(() => []);
    colouring.codes.forEach((code, i) => members[code].push(i));
    return colouring.classes.map((label, code) => {
      const button = element("button"), dot = element("i");
      dot.style.background = colouring.colors[code];
      const count = element("small", members[code].length.toLocaleString("en"));
      button.append(dot, element("span", label), count);
      press(button, false);
      button.onclick = () => {
        press(button, !pressed(button));
        const on = [...legend.children].map(pressed);
        choose(members.flatMap((images, other) => (on[other] ? images : [])), "legend");
      };
      return button;
    });
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
    const chosen = [...new Set(images)].sort((i, j) => i - j);
    selection = chosen.length ? new Set(chosen) : null;
    if (source !== "legend") legend.querySelectorAll("button").forEach((b) => press(b, false));
    if (source !== "search") byId("search").value = "";
    Plotly.update(map, { selectedpoints: [selection && chosen] }, { selections: [] });
    const none = source === "search" && byId("search").value ? "none found" : "";
    byId("n-selected").textContent = selection ? chosen.length.toLocaleString("en") : none;
    byId("select-hint").hidden = Boolean(selection);
    byId("selected").hidden = !selection;
    byId("list").value = chosen.map((i) => names[i]).join("\n");
    redraw();
  }

  function search() {
    const text = byId("search").value.toLowerCase();
    matches = [...names.keys()].filter((i) => text && names[i].toLowerCase().includes(text));
    match = -1;
    choose(matches, "search");
  }

  function nextMatch() {
    if (!matches.length) return;
    match = (match + 1) % matches.length;
    pin(matches[match]);
    show(matches[match]);
  }

  async function copy() {
    try {
      await navigator.clipboard.writeText(byId("list").value);
    } catch { // which some browsers do not allow for files
      byId("list").select();
      document.execCommand("copy");
    }
    byId("copy").textContent = "Copied";
    setTimeout(() => { byId("copy").textContent = "Copy names"; }, 1500);
  }

  function save() {
    const chosen = [...selection].map((i) =>
      [rows[i], names[i], ...named().map((by) => valueOf(by, i))]);
    const quote = (value) => `"${String(value).replaceAll('"', '""')}"`;
    const lines = [["row", "name", ...named().map((by) => by.name)], ...chosen]
      .map((row) => row.map(quote).join() + "\r\n");
    const link = Object.assign(element("a"), { download: "images.csv" });
    link.href = URL.createObjectURL(new Blob(lines, { type: "text/csv;charset=utf-8" }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  // Controls
  function dragTo(mode) {
    for (const id of ["pan", "lasso", "select"]) press(byId(id), id === mode);
    Plotly.relayout(map, { dragmode: mode });
  }

  function connect() {
    const keys = {
      ArrowLeft: () => move(-0.1, 0), ArrowRight: () => move(0.1, 0),
      ArrowUp: () => move(0, 0.1), ArrowDown: () => move(0, -0.1),
      "+": () => zoom(1.5), "-": () => zoom(1 / 1.5), 0: () => setView(home),
      Enter: pinCentre,
    };
    const buttons = {
      pan: () => dragTo("pan"), lasso: () => dragTo("lasso"), select: () => dragTo("select"),
      in: keys["+"], out: keys["-"], all: keys[0], copy, save, clear: () => choose([]),
    };
    for (const [id, act] of Object.entries(buttons)) byId(id).onclick = act;
    map.onkeydown = (event) => {
      if (!(event.key in keys)) return;
      event.preventDefault();
      keys[event.key]();
    };
    byId("size").oninput = redraw;
    byId("search").oninput = search;
    byId("search").onkeydown = (event) => { if (event.key === "Enter") nextMatch(); };
    byId("colouring").onchange = (event) => colourBy(event.target.value);
    connectPointer();
    new ResizeObserver(resize).observe(map);
    matchMedia("(prefers-color-scheme: dark)").onchange = redraw;
  }

  function connectPointer() {
    let from = null; // where the button was pressed
    map.onpointermove = showTip;
    map.onpointerleave = () => { byId("tip").hidden = true; };
    map.onpointerdown = (event) => { from = event; };
    window.onpointerup = (event) => {
      if (!from || Math.hypot(event.clientX - from.clientX, event.clientY - from.clientY) > 4) return;
      const i = imageAt(event);
      if (i !== null) pin(i);
    };
    map.on("plotly_relayouting", redraw);
    map.on("plotly_relayout", redraw);
    map.on("plotly_doubleclick", () => setView(home));
    map.on("plotly_selected", (event) => {
      if (!event?.lassoPoints && !event?.range) return; // not drawn by hand
      const found = event.points.map((point) => point.pointIndex);
      const before = from?.shiftKey && selection ? selection : [];
      setTimeout(() => choose([...before, ...found])); // plotly keeps the outline until then
    });
  }

  async function start() {
    const webgl = document.createElement("canvas").getContext("webgl"), size = n > 2000 ? 4 : 7;
    home = wholeMap();
    await Plotly.newPlot(map, [{
      type: webgl ? "scattergl" : "scatter", mode: "markers", x, y, hoverinfo: "skip",
      marker: { color: colours(), size, opacity: 0.8 }, unselected: { marker: { opacity: 0.12 } },
    }], {
      width: map.clientWidth, height: map.clientHeight, margin: { l: 0, r: 0, t: 0, b: 0 },
      xaxis: { range: home.x, visible: false }, yaxis: { range: home.y, visible: false },
      dragmode: "pan", hovermode: false, showlegend: false,
      paper_bgcolor: "transparent", plot_bgcolor: "transparent",
    }, { scrollZoom: true, displayModeBar: false, doubleClick: false, plotGlPixelRatio: 1 });
    map.append(overlay);
    byId("colouring").append(...data.colourings.map((by, i) => new Option(by.name, i)));
    byId("colour-by").hidden = !named().length;
    connect();
    fillLegend();
    redraw();
  }

  start();
})();
