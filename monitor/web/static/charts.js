// Charts from the values that pages carry in data-chart. Chart.js is a classic script of its own file: window.Chart.
const DRAWN = "charts-drawn";
const charts = new Map();
const DASHES = [[], [], [7, 3], [2, 2], [9, 3, 2, 3]]; // lines are told apart without colours too

function colours() {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(name).trim();
}

const marks = {
  id: "change",
  afterDatasetsDraw(chart) {
    const at = chart.options.plugins.change?.at;
    if (at === null || at === undefined) return;
    const { ctx, chartArea, scales } = chart;
    const x = (scales.x.getPixelForValue(Math.max(at - 1, 0)) + scales.x.getPixelForValue(at)) / 2;
    ctx.save();
    ctx.strokeStyle = chart.options.plugins.change.colour;
    ctx.setLineDash([4, 3]);
    ctx.beginPath();
    ctx.moveTo(x, chartArea.top);
    ctx.lineTo(x, chartArea.bottom);
    ctx.stroke();
    ctx.restore();
  },
};

// A point that no line reaches is drawn as one.
function isAlone(values, at) {
  return (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null;
}

function datasets(data, colour) {
  const made = [];
  const bare = { pointRadius: 0, pointHitRadius: 0, borderWidth: 0, tension: 0, isBand: true, pointStyle: "rect" };
  if (data.baseLow?.some((value) => value !== null)) {
    made.push({ ...bare, label: "baseline low", data: data.baseLow, fill: false });
    made.push({ ...bare, label: "baseline band", data: data.baseHigh, fill: "-1", backgroundColor: colour("--band") });
  }
  if (typeof data.base === "number") {
    made.push({ ...bare, isBand: false, label: "baseline", data: data.labels.map(() => data.base), borderColor: colour("--dim"), borderWidth: 1.5, borderDash: [2, 3] });
  }
  if (data.low) {
    made.push({ ...bare, label: "interval low", data: data.low, fill: false });
    made.push({ ...bare, label: "95 % interval", data: data.high, fill: "-1", backgroundColor: colour("--interval") });
  }
  data.lines.forEach((line, at) => {
    const isExpected = line.name === "expected" && at === 1;
    made.push({
      label: line.name,
      data: line.values,
      borderColor: isExpected ? colour("--dim") : colour(`--line-${at % 8}`),
      backgroundColor: isExpected ? colour("--dim") : colour(`--line-${at % 8}`),
      borderDash: isExpected ? [5, 4] : DASHES[at % DASHES.length],
      borderWidth: at === 0 ? 2 : 1.5,
      pointRadius: (item) => (isAlone(line.values, item.dataIndex) ? 2.5 : 0),
      pointHoverRadius: 4,
      pointHitRadius: 8,
      pointStyle: "circle",
      tension: 0,
      spanGaps: false,
      lineAt: at,
    });
  });
  return made;
}

function legend(chart) {
  const made = window.Chart.defaults.plugins.legend.labels.generateLabels(chart);
  return made.map((item) => ({ ...item, pointStyle: chart.data.datasets[item.datasetIndex].isBand ? "rect" : "line" }));
}

function options(data, colour) {
  const dim = colour("--dim");
  const unit = data.unit === "%" ? " %" : "";
  return {
    animation: false,
    responsive: true,
    maintainAspectRatio: false,
    normalized: true,
    interaction: { mode: "index", intersect: false },
    scales: {
      x: { title: { display: Boolean(data.clock), text: data.clock, align: "end", color: dim, padding: 0 }, ticks: { color: dim, maxRotation: 0, autoSkipPadding: 16 }, grid: { display: false }, border: { color: colour("--line") } },
      y: { beginAtZero: true, ticks: { color: dim, maxTicksLimit: 6, callback: (value) => `${+value.toPrecision(3)}${unit}` }, grid: { color: colour("--line") }, border: { display: false } },
    },
    plugins: {
      change: { at: data.mark ?? null, colour: colour("--bad") },
      legend: {
        align: "start",
        labels: { color: colour("--ink"), boxWidth: 20, boxHeight: 8, usePointStyle: true, padding: 12, generateLabels: legend, filter: (item) => !/ low$/.test(item.text) },
      },
      tooltip: {
        filter: (item) => !item.dataset.isBand,
        callbacks: {
          label: (item) => {
            if (item.raw === null) return `${item.dataset.label}: –`;
            const count = item.dataset.lineAt === 0 ? data.counts?.[item.dataIndex] : null;
            const of = count ? ` (${Math.round(count[0]).toLocaleString("en")} of ${Math.round(count[1]).toLocaleString("en")})` : "";
            return `${item.dataset.label}: ${(+item.raw).toPrecision(3)}${unit}${of}`;
          },
        },
      },
    },
  };
}

export function drawAll(root = document) {
  if (!window.Chart) return;
  window.Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  for (const canvas of root.querySelectorAll("canvas[data-chart]")) draw(canvas);
  if (performance.getEntriesByName(DRAWN).length === 0) performance.mark(DRAWN); // once: browsers keep every mark
}

function draw(canvas) {
  const data = JSON.parse(canvas.dataset.chart);
  const colour = colours();
  const kept = charts.get(canvas.id);
  if (kept && kept.canvas === canvas) {
    kept.data = { labels: data.labels, datasets: datasets(data, colour) };
    kept.options = options(data, colour);
    kept.update("none");
    return;
  }
  kept?.destroy();
  charts.set(canvas.id, new window.Chart(canvas, { type: "line", data: { labels: data.labels, datasets: datasets(data, colour) }, options: options(data, colour), plugins: [marks] }));
}

// The canvas that is drawn on goes on in the new content, so that nothing flickers.
export function carryOver(fresh) {
  for (const canvas of fresh.querySelectorAll("canvas[data-chart]")) {
    const kept = charts.get(canvas.id);
    if (!kept?.canvas?.isConnected) continue;
    const old = kept.canvas;
    old.dataset.chart = canvas.dataset.chart;
    old.setAttribute("aria-label", canvas.getAttribute("aria-label"));
    canvas.closest(".chart").replaceWith(old.closest(".chart"));
  }
}

window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll());
