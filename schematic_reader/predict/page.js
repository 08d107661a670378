"use strict";

const element = (id) => document.getElementById(id);
const drop = element("drop"), files = element("files");
const downloads = { csv: null, bom: null };

drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  read([...event.dataTransfer.files]);
});
// A file that misses the field must not replace the page.
for (const name of ["dragover", "drop"]) {
  window.addEventListener(name, (event) => event.preventDefault());
}
files.addEventListener("change", () => { read([...files.files]); files.value = ""; });

async function read(chosen) {
  if (!chosen.length || document.body.classList.contains("busy")) return;
  document.body.classList.add("busy");
  files.disabled = true;
  show({ sheets: [], errors: [] });
  element("state").textContent = `Reading ${chosen.length === 1 ? printable(chosen[0].name) : `${chosen.length} files`}…`;
  const form = new FormData();
  for (const file of chosen) form.append("file", file, file.name);
  let found;
  try {
    const response = await fetch("/read", { method: "POST", body: form });
    found = await response.json();
    if (!response.ok) found = { sheets: [], errors: [found.error] };
  } catch {
    found = { sheets: [], errors: ["No answer: is the server still running, and are the files under 32 MB?"] };
  }
  element("state").textContent = "";
  show(found);
  files.disabled = false;
  document.body.classList.remove("busy");
}

// As schematic_reader.io.display: names and answers come from outside, and marks of text direction disguise them.
function printable(text, keep = "") {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, (char) => keep.includes(char) ? char : "\ufffd");
}

function show(found) {
  element("errors").replaceChildren(...found.errors.map((line) => item("li", line)));
  element("sheets").replaceChildren(...found.sheets.map((one) => article(one, found.task)));
  for (const name of Object.keys(downloads)) {
    if (downloads[name]) URL.revokeObjectURL(downloads[name]);
    const text = found[name];
    downloads[name] = text ? URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" })) : null;
    element(name).hidden = !text;
    if (text) element(name).href = downloads[name];
  }
  element("toolbar").hidden = !found.csv && !found.bom;
  const names = new Set(found.sheets.flatMap((one) => [...one.parts.map((part) => part.part), ...one.bom.map((line) => line.symbol)]));
  element("summary").textContent = `${count(names.size, "library symbol")} on ${count(found.sheets.length, "sheet")}. ` +
    (found.calibrated ? "Confidence is the share of such answers that are right; doubtful parts are more likely wrong than right." : "Confidence is the model's own; it is not calibrated.");
}

function article(one, task) {
  const node = element("sheet").content.cloneNode(true), query = (what) => node.querySelector(what);
  query("h2").textContent = one.name;
  query(".picture").hidden = !one.picture;
  if (one.picture) query("img").src = one.picture;
  query("img").alt = `${one.name} as the model sees it`;
  const fromFile = one["read from"] === "file";
  // What the lines of the bill of materials name is not named again; power symbols are in the list of parts alone.
  const listed = new Set(one.bom.map((line) => line.symbol));
  const parts = one.parts.filter((part) => !listed.has(part.part)).sort((a, b) => (b.confidence ?? 0) - (a.confidence ?? 0));
  query(".bom").hidden = !one.bom.length;
  const picture = query(".picture");
  query(".bom tbody").append(...one.bom.map((line) => marking(picture, line.places,
    row([line.references, line.dnp && !/dn[a-z]/i.test(line.value) ? `${line.value} (DNP)` : line.value, line.symbol], line, fromFile))));
  query(".parts").hidden = !parts.length;
  query(".parts tbody").append(...parts.map((part) => marking(picture, one.places[part.part],
    row([part.part, part.kind], part, fromFile))));
  if (task !== "components") {
    query("details").hidden = false;
    query("details").open = !one.bom.length;
    query("pre").textContent = printable(one.answer, "\t\n");
  }
  const nothing = !parts.length && !one.bom.length;
  const unlike = one.readable === false && !nothing;
  query(".none").hidden = !one.cut && !nothing && !unlike;
  const subSheets = one["sub-sheets"] ? `, but sub-sheets: ${printable(one["sub-sheets"].join(", "))}` : "";
  query(".none").textContent = nothing ? `No part was read${subSheets}.`
    : unlike ? "This does not look like the sheets that the model was made for: all that is read is doubtful."
    : "The answer was cut: parts may be missing.";
  return node;
}

// While the line is pointed at or has the focus, the areas of the picture in which its parts were read are marked.
function marking(picture, places, line) {
  if (!places.length) return line;
  const marks = places.map((box) => {
    const mark = document.createElement("div");
    mark.className = "place";
    ["left", "top", "width", "height"].forEach((side, number) => { mark.style[side] = `${100 * box[number]}%`; });
    return mark;
  });
  line.classList.add("placed");
  line.tabIndex = 0;
  const show = () => picture.append(...marks), hide = () => marks.forEach((mark) => mark.remove());
  for (const event of ["mouseenter", "focus"]) line.addEventListener(event, show);
  for (const event of ["mouseleave", "blur"]) line.addEventListener(event, hide);
  return line;
}

function row(cells, { confidence, doubtful }, fromFile) {
  const line = document.createElement("tr"), meter = document.createElement("meter"), last = item("td", "");
  if (fromFile) {
    last.textContent = "from the file";
  } else if (confidence === null) {
    last.textContent = "–";
  } else {
    meter.value = confidence;
    // Rounding must make no answer certain.
    last.append(meter, `${Math.min(99, Math.round(100 * confidence))} %`, ...(doubtful ? [item("em", "doubtful")] : []));
    line.classList.toggle("doubtful", Boolean(doubtful));
  }
  line.append(...cells.map((text) => item("td", text)), last);
  return line;
}

function item(name, text) {
  const node = document.createElement(name);
  node.textContent = printable(text);
  return node;
}

function count(number, what) {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
