"use strict";
// The page's behaviour: tables that sort, and a viewer of pairs in which every image shows the same part.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

// ---- theme, scores.csv ----

byId("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});

byId("save-scores").addEventListener("click", () => {
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = ["dataset,kind,case,pair,fuser,metric,score"];
  for (const pair of data.pairs) {
    for (const [fuser, scores] of Object.entries(pair.scores)) {
      scores.forEach((score, n) => {
        if (score !== null) {
          const row = [pair.dataset, pair.kind, pair.case ?? "", pair.name, data.fusers[fuser], data.metrics[n][0]];
          lines.push([...row, String(score)].map(quoted).join(","));
        }
      });
    }
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
  link.download = "scores.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});

// ---- tables ----

for (const table of document.querySelectorAll("table.scores")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      // First the best on top; without a best, and for names, ascending.
      const first = head.dataset.best === "high" ? "descending" : "ascending";
      const second = first === "descending" ? "ascending" : "descending";
      const order = head.getAttribute("aria-sort") === first ? second : first;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      for (const body of table.tBodies) {
        const rows = [...body.rows];
        rows.sort((a, b) => (column === 0 ? sign * a.cells[0].textContent.localeCompare(b.cells[0].textContent)
          : compare(a.cells[column].dataset.value, b.cells[column].dataset.value, sign)));
        body.append(...rows);
      }
    });
  });
  for (const button of table.closest("section").querySelectorAll("button.family")) {
    button.addEventListener("click", () => {
      const open = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(open));
      heads.forEach((head, column) => {
        if (head.dataset.family === button.dataset.family && head.dataset.shown === "false") {
          for (const row of table.rows) row.cells[column].hidden = !open;
        }
      });
    });
  }
}

function compare(a, b, sign) {
  // A score that is not there comes last, whatever the direction.
  if (a === "" || b === "") return (a === "") - (b === "");
  return sign * (Number(a) - Number(b));
}

// ---- pairs ----

const state = { pair: 0, left: null, right: null, mode: "wipe", wipe: 0.5, colour: false, view: null, images: {} };
const canvas = byId("view");
Object.assign(state, { overlay: "", opacity: 0.6, maps: {} });
const CHANGED = [[0, 114, 178], [255, 255, 255], [213, 94, 0]]; // less, equal, more

data.pairs.forEach((pair, n) => byId("pair").add(new Option(`${pair.kind}/${pair.name}`, n)));

function load(uri) {
  return new Promise((resolve) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => resolve(null);
    image.src = uri;
  });
}

async function show(number) {
  const pair = data.pairs[number];
  state.pair = number;
  byId("pair").value = number;
  const fusers = Object.keys(pair.images).map(Number);
  const had = pair.images;
  state.images = {};
  for (const side of ["left", "right"]) {
    const select = byId(side);
    select.replaceChildren(...fusers.map((fuser) => new Option(title(fuser), fuser)));
  }
  const methods = fusers.filter((fuser) => !["source-a", "source-b"].includes(data.fusers[fuser]));
  if (!fusers.includes(state.left)) state.left = methods[0] ?? fusers[0];
  if (!fusers.includes(state.right)) state.right = methods[methods.length - 1] ?? fusers[0];
  byId("left").value = state.left;
  byId("right").value = state.right;
  state.view = { x: 0, y: 0, w: pair.size[1], h: pair.size[0] };
  const metrics = Object.keys(pair.maps);
  byId("overlay").replaceChildren(new Option("nothing", ""), ...metrics.map((metric) => new Option(metric, metric)));
  byId("overlay-label").hidden = metrics.length === 0;
  if (!metrics.includes(state.overlay)) state.overlay = "";
  byId("overlay").value = state.overlay;
  byId("colour").disabled = !fusers.some((fuser) => had[fuser][1]);
  byId("colour").checked = state.colour && !byId("colour").disabled;
  const loaded = await Promise.all(fusers.map((fuser) => load((byId("colour").checked && had[fuser][1]) || had[fuser][0])));
  if (state.pair !== number) return; // another pair was chosen meanwhile
  fusers.forEach((fuser, n) => { state.images[fuser] = { small: loaded[n], full: null }; });
  await overlay(state.overlay);
  if (state.pair !== number) return;
  gallery(fusers);
  draw();
  // Full images lie beside the page, where it was not mailed alone.
  for (const fuser of fusers) {
    const path = had[fuser][2];
    const small = state.images[fuser].small;
    if (!path || byId("colour").checked || (small && small.naturalWidth >= pair.size[1])) continue;
    load(path.split("/").map(encodeURIComponent).join("/")).then((image) => {
      if (image && state.pair === number) { state.images[fuser].full = image; draw(); }
    });
  }
}

async function overlay(metric) {
  // Colour the maps of a metric, once for a pair; levels from 1 to 255 are values, 0 is none.
  state.overlay = metric;
  state.maps = {};
  const number = state.pair;
  const listed = Object.entries(data.pairs[number].maps[metric] || {});
  const found = await Promise.all(listed.map(([, [uri]]) => load(uri)));
  if (state.pair !== number || state.overlay !== metric) return;
  listed.forEach(([fuser, [, low, high]], n) => {
    if (found[n]) state.maps[fuser] = { coloured: coloured(found[n]), low, high };
  });
}

function coloured(image) {
  const buffer = document.createElement("canvas");
  buffer.width = image.naturalWidth;
  buffer.height = image.naturalHeight;
  const context = buffer.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const levels = context.getImageData(0, 0, buffer.width, buffer.height);
  for (let at = 0; at < levels.data.length; at += 4) {
    const level = levels.data[at];
    levels.data.set(level ? [...data.viridis[level], 255] : [0, 0, 0, 0], at);
  }
  context.putImageData(levels, 0, 0);
  return buffer;
}

function title(fuser) {
  const pair = data.pairs[state.pair];
  const label = data.titles[fuser];
  const modality = { "source-a": pair.modalities[0], "source-b": pair.modalities[1] }[data.fusers[fuser]];
  return modality ? `${label} (${modality})` : label;
}

function gallery(fusers) {
  const pair = data.pairs[state.pair];
  const [height, width] = pair.size;
  byId("gallery").replaceChildren(...fusers.map((fuser) => {
    const figure = document.createElement("figure");
    figure.dataset.fuser = fuser;
    const small = document.createElement("canvas");
    small.width = 190;
    small.height = Math.round((190 * height) / width);
    small.setAttribute("role", "img");
    small.setAttribute("aria-label", title(fuser));
    const caption = document.createElement("figcaption");
    const scores = pair.scores[fuser] || [];
    caption.textContent = title(fuser);
    for (const label of data.shown.slice(0, 4)) {
      const index = data.metrics.findIndex((metric) => metric[0] === label);
      const score = scores[index];
      caption.append(document.createElement("br"), `${label} ${typeof score === "number" ? score.toFixed(data.metrics[index][1]) : score ?? "-"}`);
    }
    caption.append(document.createElement("br"));
    for (const side of ["left", "right"]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = side;
      button.setAttribute("aria-label", `${title(fuser)} on the ${side}`);
      button.addEventListener("click", () => choose(side, fuser));
      caption.append(button, " ");
    }
    figure.append(small, caption);
    return figure;
  }));
}

function choose(side, fuser) {
  state[side] = fuser;
  byId(side).value = fuser;
  draw();
}

function paint(target, fuser, from = 0, to = 1) {
  // The part of an image that is in view, of which the columns between two fractions of the target's width are drawn.
  const found = state.images[fuser];
  const image = found && (found.full || found.small);
  if (!image) return;
  const [height, width] = data.pairs[state.pair].size;
  const [sx, sy] = [image.naturalWidth / width, image.naturalHeight / height];
  const { x, y, w, h } = state.view;
  const context = target.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.save();
  context.beginPath();
  context.rect(from * target.width, 0, (to - from) * target.width, target.height);
  context.clip();
  context.drawImage(image, x * sx, y * sy, w * sx, h * sy, 0, 0, target.width, target.height);
  const map = state.maps[fuser]?.coloured;
  if (map) {
    const [mx, my] = [map.width / width, map.height / height];
    context.globalAlpha = state.opacity;
    context.drawImage(map, x * mx, y * my, w * mx, h * my, 0, 0, target.width, target.height);
  }
  context.restore();
}

function pixels(fuser) {
  // Of the image that the page holds: a browser does not let a page read the pixels of files beside it.
  const image = state.images[fuser]?.small;
  if (!image) return null;
  const buffer = document.createElement("canvas");
  buffer.width = image.naturalWidth;
  buffer.height = image.naturalHeight;
  const context = buffer.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, buffer.width, buffer.height);
}

function difference() {
  const [left, right] = [pixels(state.left), pixels(state.right)];
  if (!left || !right) return null;
  const signed = new Float32Array(left.width * left.height);
  let most = 1;
  for (let n = 0; n < signed.length; n += 1) {
    signed[n] = luma(right.data, 4 * n) - luma(left.data, 4 * n);
    most = Math.max(most, Math.abs(signed[n]));
  }
  const image = new ImageData(left.width, left.height);
  signed.forEach((value, n) => image.data.set([...mixed(value / most), 255], 4 * n));
  const buffer = document.createElement("canvas");
  buffer.width = image.width;
  buffer.height = image.height;
  buffer.getContext("2d").putImageData(image, 0, 0);
  return { buffer, most };
}

const luma = (rgba, at) => 0.299 * rgba[at] + 0.587 * rgba[at + 1] + 0.114 * rgba[at + 2];

function mixed(value) {
  const end = value < 0 ? CHANGED[0] : CHANGED[2];
  return CHANGED[1].map((white, n) => Math.round(white + Math.abs(value) * (end[n] - white)));
}

function draw() {
  const [height, width] = data.pairs[state.pair].size;
  canvas.width = 640;
  canvas.height = Math.round((640 * height) / width);
  const context = canvas.getContext("2d");
  const map = Object.values(state.maps)[0];
  byId("legend").hidden = state.mode !== "difference" && !map;
  byId("opacity-label").hidden = !map;
  if (map && state.mode !== "difference") {
    byId("least").textContent = `${state.overlay} ${map.low.toPrecision(3)}`;
    byId("most").textContent = map.high.toPrecision(3);
    byId("bar").style.background = `linear-gradient(to right, ${data.viridis.filter((_, n) => n % 15 === 0).map((c) => `rgb(${c})`).join(",")})`;
  }
  byId("wipe-label").hidden = state.mode !== "wipe";
  if (state.mode === "difference") {
    const found = difference();
    if (found) {
      const { x, y, w, h } = state.view;
      const [sx, sy] = [found.buffer.width / width, found.buffer.height / height];
      context.imageSmoothingEnabled = false;
      context.drawImage(found.buffer, x * sx, y * sy, w * sx, h * sy, 0, 0, canvas.width, canvas.height);
      byId("least").textContent = `-${found.most.toFixed(0)}`;
      byId("most").textContent = `+${found.most.toFixed(0)} grey levels`;
      byId("bar").style.background = `linear-gradient(to right, ${CHANGED.map((c) => `rgb(${c})`).join(",")})`;
    }
  } else if (state.mode === "wipe") {
    paint(canvas, state.left, 0, state.wipe);
    paint(canvas, state.right, state.wipe, 1);
    context.fillStyle = "#d55e00";
    context.fillRect(state.wipe * canvas.width - 1, 0, 2, canvas.height);
  } else {
    paint(canvas, state[state.mode]);
  }
  mark(context);
  const what = { wipe: "left of the slider {l}, right of it {r}", left: "{l}", right: "{r}", difference: "{r} minus {l}" }[state.mode];
  const said = what.replace("{l}", () => title(state.left)).replace("{r}", () => title(state.right));
  canvas.setAttribute("aria-label", `${data.pairs[state.pair].kind}/${data.pairs[state.pair].name}: ${said}${sided()}${map ? `; over it the map of ${state.overlay}` : ""}`);
  for (const figure of byId("gallery").children) {
    const small = figure.querySelector("canvas");
    small.getContext("2d").clearRect(0, 0, small.width, small.height);
    paint(small, Number(figure.dataset.fuser));
    figure.classList.toggle("chosen", [state.left, state.right].includes(Number(figure.dataset.fuser)));
  }
}

function sided() {
  const sides = data.pairs[state.pair].sides;
  return sides ? `; ${sides[0]} of the patient at the left edge, ${sides[1]} at the right` : "";
}

function mark(context) {
  // Which side of the patient lies at the left and at the right edge, where the files say it.
  const sides = data.pairs[state.pair].sides;
  if (!sides) return;
  context.font = "bold 18px sans-serif";
  context.textBaseline = "middle";
  sides.forEach((side, n) => {
    const x = n ? canvas.width - 26 : 4;
    context.fillStyle = "rgba(0,0,0,0.6)";
    context.fillRect(x, canvas.height / 2 - 13, 22, 26);
    context.fillStyle = "#fff";
    context.fillText(side, x + 4, canvas.height / 2 + 1);
  });
}

function zoom(factor, atX = 0.5, atY = 0.5) {
  const [height, width] = data.pairs[state.pair].size;
  const { x, y, w, h } = state.view;
  const wide = Math.min(width, Math.max(8, w * factor));
  const high = (wide * height) / width;
  place(x + (w - wide) * atX, y + (h - high) * atY, wide, high);
}

function place(x, y, w, h) {
  const [height, width] = data.pairs[state.pair].size;
  state.view = { x: Math.min(width - w, Math.max(0, x)), y: Math.min(height - h, Math.max(0, y)), w, h };
  draw();
}

function values(fx, fy) {
  const [height, width] = data.pairs[state.pair].size;
  const column = Math.min(width - 1, Math.floor(state.view.x + fx * state.view.w));
  const row = Math.min(height - 1, Math.floor(state.view.y + fy * state.view.h));
  const parts = [state.left, state.right].map((fuser) => {
    const found = pixels(fuser);
    if (!found) return `${title(fuser)} -`;
    const at = 4 * (Math.floor((row * found.height) / height) * found.width + Math.floor((column * found.width) / width));
    const [r, g, b] = found.data.slice(at, at + 3);
    return `${title(fuser)} ${r === g && g === b ? r : `${r} ${g} ${b}`}`;
  });
  const small = state.images[state.left]?.small;
  const about = small && small.naturalWidth < width ? " (of the smaller images in the page)" : "";
  byId("values").textContent = `row ${row}, column ${column}: ${parts.join(", ")}${about}`;
}

const PAIRS = data.pairs.length;
const KEYS = {
  ArrowLeft: () => place(state.view.x - state.view.w / 8, state.view.y, state.view.w, state.view.h),
  ArrowRight: () => place(state.view.x + state.view.w / 8, state.view.y, state.view.w, state.view.h),
  ArrowUp: () => place(state.view.x, state.view.y - state.view.h / 8, state.view.w, state.view.h),
  ArrowDown: () => place(state.view.x, state.view.y + state.view.h / 8, state.view.w, state.view.h),
  "+": () => zoom(1 / 1.5),
  "-": () => zoom(1.5),
  0: () => zoom(Infinity),
  f: () => mode(state.mode === "left" ? "right" : "left"),
  d: () => mode(state.mode === "difference" ? "wipe" : "difference"),
  n: () => show((state.pair + 1) % PAIRS),
  p: () => show((state.pair + PAIRS - 1) % PAIRS),
  m: () => {
    const choice = byId("overlay");
    choice.selectedIndex = (choice.selectedIndex + 1) % choice.length;
    overlay(choice.value).then(draw);
  },
};

function mode(name) {
  state.mode = name;
  byId("mode").value = name;
  draw();
}

canvas.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
  values(0.5, 0.5);
});
const fraction = (event) => {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
};
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(event.deltaY > 0 ? 1.25 : 0.8, ...fraction(event));
}, { passive: false });
let dragged = null;
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  dragged = { from: fraction(event), view: { ...state.view } };
});
canvas.addEventListener("pointerup", () => { dragged = null; });
canvas.addEventListener("pointermove", (event) => {
  const [fx, fy] = fraction(event);
  if (dragged) {
    const { view, from } = dragged;
    place(view.x - (fx - from[0]) * view.w, view.y - (fy - from[1]) * view.h, view.w, view.h);
  }
  if (fx >= 0 && fx < 1 && fy >= 0 && fy < 1) values(fx, fy);
});

byId("choice").addEventListener("submit", (event) => event.preventDefault());
byId("pair").addEventListener("change", (event) => show(Number(event.target.value)));
for (const side of ["left", "right"]) byId(side).addEventListener("change", (event) => choose(side, Number(event.target.value)));
byId("mode").addEventListener("change", (event) => mode(event.target.value));
byId("wipe").addEventListener("input", (event) => { state.wipe = event.target.value / 100; draw(); });
byId("overlay").addEventListener("change", (event) => overlay(event.target.value).then(draw));
byId("opacity").addEventListener("input", (event) => { state.opacity = event.target.value / 100; draw(); });
byId("colour").addEventListener("change", (event) => { state.colour = event.target.checked; show(state.pair); });

if (PAIRS) show(0);
