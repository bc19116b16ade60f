"use strict";
// Counts what the reader picks: means from sums by tier and style, so they are of all users and exact. Intervals are only
// shown where they were drawn: of all users, of one tier, of one style.
(() => {
  const root = document.getElementById("explorer");
  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const form = root.querySelector("form"), choice = form.elements, views = {}, SHARE = "selection_accuracy";
  let crowd = data.crowds[0];

  // ---------------------------------------------------------------- numbers as the rest of the page writes them
  function number(value, digits = 3) {
    if (value === null || Number.isNaN(value)) return "\u2013";
    if (!Number.isFinite(value)) return value > 0 ? "never" : "-inf";
    const size = Math.abs(value);
    if (size < 1e-9) return "0";
    const places = Math.min(Math.max(digits - 1 - Math.floor(Math.log10(size)), 0), 6);
    const [whole, rest] = size.toFixed(60).split(".");
    if (!/^50*$/.test(rest.slice(places))) return value.toFixed(places);
    const even = Number((places ? rest[places - 1] : whole.at(-1))) % 2 === 0;  // a tie goes to the even digit
    const shown = even ? `${whole}${places ? "." + rest.slice(0, places) : ""}` : size.toFixed(places);
    return (value < 0 ? "-" : "") + shown;
  }
  function interval(low, high) {
    if (low === null || high === null) return "";
    if (Math.abs(low - high) <= Math.max(1e-9 * Math.abs(low), 1e-12)) return "\u00b10";
    return `${number(low, 2)} to ${number(high, 2)}`;
  }

  // ---------------------------------------------------------------- what is picked, and what it comes to
  function state() {
    const picked = new Set([...form.querySelectorAll("[name=strategy]:checked")].map(box => Number(box.value)));
    return { picked, tier: choice.tier.value, style: choice.style.value, saving: choice.saving.value };
  }
  function cells(tier, style) {
    const found = [];
    crowd.cells.forEach(([t, s], cell) => {
      if ((tier === "" || t === Number(tier)) && (style === "" || s === Number(style))) found.push(cell);
    });
    return found;
  }
  // The mean of a metric over the users of some cells, and its interval where one was drawn (both null: not known).
  function mean(metric, strategy, tier, style, some = cells(tier, style)) {
    let total = 0, users = 0;
    for (const cell of some) {
      total += crowd.sums[metric][cell][strategy];
      users += crowd.counts[metric][cell][strategy];
    }
    const drawn = crowd.intervals, kinds = tier === "" ? (style === "" ? drawn.all : drawn.style[Number(style)])
      : style === "" ? drawn.tier[Number(tier)] : null;
    const [low, high] = kinds ? kinds[metric][strategy] : [null, null], factor = data.factors[metric];
    const scaled = value => value === null ? null : value * factor;
    return { users, mean: users ? factor * (total / users) : null, low: scaled(low), high: scaled(high) };
  }
  // The crowd's own number of each picked strategy, which may lack some of the page's, and its name.
  function picked(now) {
    return crowd.strategies.map((at, own) => [own, data.strategies[at], at]).filter(([, , at]) => now.picked.has(at));
  }
  function said(found) {
    return { said: number(found.mean), interval: interval(found.low, found.high) || "not drawn", users: String(found.users) };
  }
  function savingRow(name, found) {
    const cut = value => Math.max(value, data.lowest), known = found.low !== null;
    return { strategy: name, ...said(found), shown: cut(found.mean), end: Math.max(cut(known ? found.high : found.mean), 0),
      low: known ? cut(found.low) : cut(found.mean), high: known ? cut(found.high) : cut(found.mean) };
  }

  const rows = {
    savings: now => picked(now).map(([own, name]) => savingRow(name, mean(now.saving, own, now.tier, now.style)))
      .filter(row => row.users !== "0"),
    tiers: now => crowd.tiers.flatMap((tier, code) => now.tier === "" || Number(now.tier) === code
      ? picked(now).map(([own, name]) => ({ tier, ...savingRow(name, mean(now.saving, own, String(code), now.style)) }))
      : []).filter(row => row.users !== "0"),
    styles: now => crowd.styles.flatMap((style, code) => now.style === "" || Number(now.style) === code
      ? picked(now).map(([own, name]) => {
        const found = mean(SHARE, own, now.tier, String(code));
        return { style, strategy: name, share: found.mean, whole: found.mean?.toFixed(0), ...said(found) };
      }) : []).filter(row => row.users !== "0"),
    spread: now => {
      const some = new Set(cells(now.tier, now.style)), flat = crowd.bins[now.saving], found = new Map();
      for (let at = 0; at < flat.length; at += 4) if (some.has(flat[at])) {
        const key = `${flat[at + 1]},${flat[at + 2]}`;
        found.set(key, (found.get(key) ?? 0) + flat[at + 3]);
      }
      return picked(now).flatMap(([own, name]) => {
        const all = mean(now.saving, own, now.tier, now.style), out = [];
        for (let bar = -1; bar < (100 - data.lowest) / data.bin; bar++) {
          const users = found.get(`${own},${bar}`);
          if (!users) continue;
          const from = data.lowest + bar * data.bin, share = 100 * users / all.users;
          const range = bar < 0 ? `less than ${data.lowest} %` : `${from} to ${from + data.bin} %`;
          out.push({ strategy: name, from, to: from + data.bin, share, range, share_said: `${number(share)} %`,
            users: `${users} of ${all.users}`, mean: null, said: "" });
        }
        if (out.length) out.push({ strategy: name, share: 0, ...said(all), mean: Math.max(all.mean, data.lowest - data.bin / 2) });
        return out;
      });
    },
    curves: now => {
      const { steps, sums, counts, bands } = crowd.curves, some = cells(now.tier, now.style);
      if (!steps.length) return [];
      const all = now.tier === "" && now.style === "";
      return picked(now).flatMap(([own, name]) => steps.map((step, at) => {
        let total = 0, users = 0;
        for (const cell of some) {
          total += sums[own][cell * steps.length + at];
          users += counts[own][cell * steps.length + at];
        }
        const value = users ? total / users : null, low = all ? bands[own][0][at] : null, high = all ? bands[own][1][at] : null;
        return { strategy: name, step, at: String(step), ...said({ mean: value, low, high, users }), mean: value,
          low: low ?? value, high: high ?? value };
      })).filter(row => row.users !== "0");
    },
  };

  // ---------------------------------------------------------------- tables
  function element(tag, more = {}, ...inside) {
    const made = Object.assign(document.createElement(tag), more);
    made.append(...inside);
    return made;
  }
  function cell(label, text, key, small = "") {
    const made = element("td", {}, text);
    made.dataset.label = label;
    if (key !== undefined) {
      made.className = "number";
      made.dataset.key = key === null ? "" : key;
    }
    if (small) made.append(element("small", {}, small));
    return made;
  }
  function table(headings, lines) {
    const head = headings.map(([title, meaning], place) => element("th", { scope: "col", title: meaning ?? "",
      className: lines[0]?.[place].className ?? "" }, element("button", { type: "button" }, title)));
    const body = lines.map(line => element("tr", {}, ...line));
    const kind = [headings.length > 12 ? "dense" : "", lines.length > 16 ? "long" : ""].filter(Boolean).join(" ");
    return element("table", { className: kind }, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
  }
  function counted(now) {
    const headings = [["strategy"], ["users"], ...data.counted.map(name => [data.labels[name], data.meanings[name]])];
    const some = cells(now.tier, now.style);
    const users = some.reduce((sum, at) => sum + crowd.cells[at][2], 0);
    const lines = picked(now).map(([own, name]) => [cell("strategy", name), cell("users", String(users), users),
      ...data.counted.map(metric => {
        const found = mean(metric, own, now.tier, now.style, some);
        const made = cell(data.labels[metric], number(found.mean), found.mean, interval(found.low, found.high));
        made.dataset.metric = metric;
        return made;
      })]);
    const frame = element("div", { className: "wide" }, table(headings, lines),
      element("button", { type: "button", className: "csv" }, "CSV"));
    root.querySelector(".counted").replaceChildren(frame);
    const which = [now.tier === "" ? "all tiers" : `tier ${crowd.tiers[now.tier] || "not known"}`,
      now.style === "" ? "all styles" : crowd.styles[now.style]];
    const none = now.tier !== "" && now.style !== "" ? " Means alone: no interval was drawn for this choice." : "";
    if (data.crowds.length > 1) which.unshift(crowd.name);
    form.querySelector("output").value = `${users} of ${crowd.users} users: ${which.join(", ")}.${none}`;
  }

  const SHOWN = 100;  // rows of the list on the page; all of them are in its CSV
  function listed(now) {
    const list = crowd.list, strategies = crowd.strategies.length, some = new Set(cells(now.tier, now.style)), wanted = picked(now);
    const text = (column, at) => list.texts[column].names[list.texts[column].codes[at]];
    const replicates = list.run.length ? ["replicate"] : [];
    const titles = [...replicates, "user", "tier", "style", "phone", "strategy", "chosen"];
    const headings = [...titles.map(title => [title]), ...data.listed.map(name => [data.labels[name], data.meanings[name]])];
    const found = [];
    for (let user = 0; user < list.users; user++) if (some.has(list.cell[user])) for (const [own, name] of wanted) {
      const at = user * strategies + own, numbers = data.listed.map(metric => list.numbers[metric][at]);
      found.push([...replicates.map(() => list.run[user] + 1), list.user[user], text("tier", user), text("style", user),
        text("phone", user), name, list.chosen.names[list.chosen.codes[at]],
        ...numbers.map((value, place) => value === null ? null : value * data.factors[data.listed[place]])]);
    }
    const lines = found.slice(0, SHOWN).map(line => line.map((value, place) => {
      const title = headings[place][0];
      return typeof value === "string" ? cell(title, value) : cell(title, number(value), value);
    }));
    const csv = element("button", { type: "button", className: "list" }, "CSV");
    csv.classList.add("save");
    csv.addEventListener("click", () => save(csvText([headings.map(heading => heading[0]),
      ...found.map(line => line.map(value => value === null ? "" : String(value)))]), "text/csv", "users.csv"));
    root.querySelector(".listed").replaceChildren(element("div", { className: "wide" }, table(headings, lines), csv));
    const left = list.every > 1 ? ` The list has one user in ${list.every}; charts and means above count every user.` : "";
    root.querySelector(".listing").textContent = `${found.length} rows, a user and a strategy each`
      + (found.length > SHOWN ? `; the first ${SHOWN} are shown, CSV has them all.` : ".") + left;
  }

  // ---------------------------------------------------------------- charts
  // Vega's own interpreter reads the expressions, so that the page needs no right to evaluate code.
  const options = { mode: "vega-lite", actions: false, ast: true, renderer: "svg", tooltip: { theme: "custom" },
    logLevel: 1 };  // errors alone
  async function draw(now) {
    await Promise.all(Object.entries(data.charts).map(async ([name, spec]) => {
      const figure = document.getElementById(`chart-${name}`), found = rows[name](now), first = !(name in views);
      figure.hidden = !found.length;
      if (figure.hidden) return;
      if (first) views[name] = vegaEmbed(figure.querySelector(".plot"), filled(fitted(spec), found), options);
      const { view } = await views[name];
      if (!first) await view.data("rows", found).runAsync();
    }));
    root.dataset.drawn = String(Number(root.dataset.drawn ?? 0) + 1);
  }
  function fitted(spec) {  // less beside the chart where the screen is narrow
    if (root.clientWidth > 560) return spec;
    const { axis, legend } = spec.config;
    return { ...spec, config: { ...spec.config, axis: { ...axis, labelLimit: 190 }, legend: { ...legend, columns: 2 } } };
  }
  function filled(spec, values) {
    return { ...spec, data: { name: "rows", values } };
  }
  // A saved figure is for paper: in the colours of the light page, on white, of one width, and it says what it shows.
  async function svg(name) {
    const text = JSON.stringify(data.charts[name]).replace(/var\((--[\w-]+)\)/g, (_, key) => data.light[key]);
    const saving = ["savings", "tiers", "spread"].includes(name) ? `Saving: ${data.meanings[choice.saving.value]}.` : "";
    const title = { text: [form.querySelector("output").value, `Rule: ${data.rule}.`, saving].filter(Boolean),
      anchor: "start", fontSize: 10.5, fontWeight: "normal", color: data.light["--ink"], limit: 640 };
    const spec = { ...filled(JSON.parse(text), rows[name](state())), width: 480, background: "#ffffff", padding: 8, title };
    const { view } = await vegaEmbed(document.createElement("div"), spec, { ...options, tooltip: false });
    const drawn = await view.toSVG();
    view.finalize();
    return drawn;
  }

  // ---------------------------------------------------------------- filters
  function choices(select, names, all) {
    const made = names.map((name, code) => element("option", { value: String(code) }, name || "(not known)"));
    select.replaceChildren(...(all ? [element("option", { value: "" }, `${all} (${names.length})`)] : []), ...made);
  }
  function enter(number) {
    crowd = data.crowds[number];
    choices(choice.tier, crowd.tiers, "all");
    choices(choice.style, crowd.styles, "all");
    for (const box of form.querySelectorAll("[name=strategy]"))
      box.parentElement.hidden = !crowd.strategies.includes(Number(box.value));
  }
  function show() {
    const now = state();
    counted(now);
    if (root.querySelector("details").open) listed(now);
    return draw(now);
  }

  data.strategies.forEach((name, place) => {
    const box = element("input", { type: "checkbox", name: "strategy", value: String(place), defaultChecked: true });
    const swatch = element("span", { className: "swatch" });
    swatch.style.background = `var(--s${place})`;
    form.querySelector("fieldset").append(element("label", {}, box, swatch, name));
  });
  choices(choice.crowd, data.crowds.map(one => one.name), "");
  form.querySelector(".crowd").hidden = data.crowds.length < 2;
  choice.saving.replaceChildren(...data.saved.map(name =>
    element("option", { value: name }, data.labels[name].replace(" saved", "").replace(", %", ""))));
  enter(0);
  form.addEventListener("submit", event => event.preventDefault());
  form.addEventListener("change", event => {
    if (event.target === choice.crowd) enter(Number(choice.crowd.value));
    show();
  });
  form.addEventListener("reset", () => setTimeout(() => { enter(0); show(); }));
  root.querySelector("details").addEventListener("toggle", () => listed(state()));
  root.addEventListener("click", async event => {
    const figure = event.target.closest("button.save") && event.target.closest("figure.chart");
    if (figure) save(await svg(figure.id.replace("chart-", "")), "image/svg+xml", `${figure.id}.svg`);
  });
  show();
})();
