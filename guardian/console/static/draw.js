// Builds what the page shows. Text is set as text, never as markup.

/** An element with attributes and children; strings become text. */
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick") made.addEventListener("click", value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** `16:20:30`, with the date where it is not today's. */
export function clock(moment) {
  const date = new Date(moment);
  const time = date.toLocaleTimeString("en-GB");
  return date.toDateString() === new Date().toDateString() ? time : `${date.toLocaleDateString("en-CA")} ${time}`;
}

/** `4:05`, or `1:04:05`. */
export function duration(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (number) => String(number).padStart(2, "0");
  const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return seconds >= 3600 ? `${Math.floor(seconds / 3600)}:${rest}` : rest.replace(/^0/, "");
}

function share(amount, maximum) {
  // A picture alone: the numbers beside it are exact.
  const most = Number(maximum);
  return most > 0 ? Math.min(100, Math.max(0, (Number(amount) * 100) / most)) : 100;
}

/** A bar with its numbers: used before, used after, and the maximum. Widths are set by script: CSP has no inline style. */
export function bar(label, unit, maximum, before, after) {
  const known = before !== null && after !== null;
  const words = !known
    ? `unknown of ${maximum} ${unit}`
    : before === after || before === "0"
      ? `${after} of ${maximum} ${unit}`
      : `${after} of ${maximum} ${unit}, ${before} without this order`;
  const was = el("span", { class: "was" });
  const more = el("span", { class: "more" });
  if (known) {
    was.style.width = `${share(before, maximum)}%`;
    more.style.width = `${Math.max(0, share(after, maximum) - share(before, maximum))}%`;
  }
  const track = el(
    "div",
    {
      class: "track",
      role: "meter",
      "aria-label": label,
      "aria-valuemin": "0",
      "aria-valuemax": "100",
      "aria-valuenow": known ? Math.round(share(after, maximum)) : "0",
      "aria-valuetext": words,
    },
    was,
    more,
  );
  return el("div", { class: "bar" }, el("span", { class: "bar-label" }, label), el("span", { class: "numbers" }, words), track);
}

/** A list of names and values; rows without a value are left out. */
export function facts(rows) {
  const list = el("dl", { class: "facts" });
  for (const [name, value] of rows) {
    if (value !== null && value !== undefined && value !== "") list.append(el("dt", {}, name), el("dd", {}, value));
  }
  return list;
}

/** A button. */
export function button(words, act, attributes = {}) {
  return el("button", { type: "button", ...attributes, onclick: act }, words);
}

/** The rules that said no, each with what would pass. */
export function denials(found) {
  const list = el("ul", { class: "denials" });
  for (const one of found) {
    list.append(el("li", {}, el("strong", {}, one.code), `: ${one.message}${one.hint ? ` (${one.hint})` : ""}`));
  }
  return list;
}

/** An open or unresolved order, in words, with what may be done about it. */
export function order(view, here, cancel) {
  const price = view.price === null ? "" : ` at ${view.price}`;
  const elsewhere = view.environment === here ? "" : ` on ${view.environment.toUpperCase()}`;
  const words = `${view.side} ${view.quantity} ${view.symbol}${price}${elsewhere}`;
  const state = `${view.state}, ${view.executed_quantity} filled${view.time ? `, since ${clock(view.time)}` : ""}`;
  return el(
    "li",
    { "data-order": view.client_order_id },
    el("span", { class: "order-words" }, words),
    el("span", { class: "quiet" }, state),
    el("span", { class: "quiet id" }, view.client_order_id),
    button("Cancel", cancel, { "aria-label": `Cancel the order ${words}`, class: "act" }),
  );
}
