"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const slider = document.getElementById("threshold");
const scores = data.steps.FRAUD.length;

// alerts or yen at a threshold: those that any threshold has, and the rows whose score reaches it
function total(name, threshold) {
  let sum = data.base[name];
  for (let score = threshold; score < scores; score += 1) sum += data.steps[name][score];
  return sum;
}

function share(part, whole) {
  return whole === 0 ? null : part / whole;
}

function figuresAt(threshold) {
  const alerts = Object.keys(data.fates).reduce((sum, fate) => sum + total(fate, threshold), 0);
  const caught = total("FRAUD", threshold);
  const caughtYen = total("FRAUD_jpy", threshold);
  const hours = (alerts * data.minutes) / 60;
  return {
    alerts,
    alerts_a_day: share(alerts, data.days),
    alert_rate_bps: share(alerts * 10000, data.payments),
    precision: share(caught, alerts),
    recall: share(caught, data.fates.FRAUD.payments),
    value_recall: share(caughtYen, data.fates.FRAUD.jpy),
    false_positives_per_fraud: share(alerts - caught, caught),
    frauds_alerted: caught,
    fraud_alerted_jpy: caughtYen,
    saved_jpy: total("saved_jpy", threshold),
    hours,
    hours_a_day: share(hours, data.days),
  };
}

// the same rule as in the command: the order of the bands is kept
function thresholdsAt(threshold) {
  const place = data.levels.indexOf(data.level);
  return data.levels.map((name, k) => {
    if (k === place) return threshold;
    return k < place ? Math.min(data.before[name], threshold) : Math.max(data.before[name], threshold);
  });
}

function policyAt(threshold) {
  const name = `threshold-${threshold}`;
  const version = JSON.stringify(`${data.version.slice(0, 63 - name.length)}-${name}`);
  const levels = thresholdsAt(threshold).map((value, k) => `${data.levels[k]}: ${value}`);
  return `version: ${version}\nglobal: {${levels.join(", ")}}\n${data.rest}`;
}

function shown(value, digits) {
  if (value === null) return "–";
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function fill(id, value, digits, sign) {
  const cell = document.getElementById(id);
  cell.dataset.value = value === null ? "" : String(value);
  const rounded = value === null ? null : Number(value.toFixed(digits)) + 0; // -0 reads 0
  cell.textContent = (sign && rounded > 0 ? "+" : "") + shown(rounded, digits);
}

function bars() {
  const chart = document.getElementById("bars");
  const width = 1000 / data.histogram.length;
  const tallest = Math.max(1, ...data.histogram.map(([frauds, others]) => Math.log1p(frauds + others)));
  data.histogram.forEach(([frauds, others], k) => {
    const low = k * width;
    [["o", frauds + others], ["f", frauds]].forEach(([kind, count]) => {
      const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      const height = (Math.log1p(count) / tallest) * 100;
      Object.entries({ class: kind, x: low, y: 100 - height, width: width - 1, height }).forEach(([name, value]) => {
        bar.setAttribute(name, String(value));
      });
      bar.addEventListener("click", () => {
        slider.value = String(Math.max(1, Math.round(low)));
        draw();
      });
      chart.appendChild(bar);
    });
  });
}

let link = null;

function draw() {
  const threshold = Number(slider.value);
  document.getElementById("now").textContent = String(threshold);
  const found = figuresAt(threshold);
  Object.entries(data.shown).forEach(([name, digits]) => {
    fill(`now-${name}`, found[name], digits, false);
    const before = data.current[name];
    const change = found[name] === null || before === null ? null : found[name] - before;
    fill(`change-${name}`, change, digits, true);
  });
  Object.keys(data.fates).forEach((fate) => {
    fill(`now-${fate}`, total(fate, threshold), 0, false);
    fill(`now-${fate}_jpy`, total(`${fate}_jpy`, threshold), 0, false);
  });
  const line = document.getElementById("line");
  line.setAttribute("x1", String(threshold));
  line.setAttribute("x2", String(threshold));
  const text = policyAt(threshold);
  document.getElementById("yaml").textContent = text;
  if (link !== null) URL.revokeObjectURL(link);
  link = URL.createObjectURL(new Blob([text], { type: "application/yaml" }));
  const save = document.getElementById("save");
  save.href = link;
  save.download = `policy-threshold-${threshold}.yaml`;
}

const asked = Number(location.hash.slice(1));
if (Number.isInteger(asked) && asked >= 1 && asked <= 1000) slider.value = String(asked);
bars();
draw();
slider.addEventListener("input", draw);
