// The page: asks guardian what waits, draws it, and sends what the owner decides. Stale data is never approved.

import { bar, button, clock, denials, duration, el, facts, order } from "./draw.js";
import { sign } from "./passkey.js";
import { Failed, ask, forgetSession, hasSession, logIn, logOut } from "./requests.js";

const TICK_MS = 1000;
const PREVIEW_MS = 5000;
const ACCOUNT_MS = 15000;
const SOON_MS = 2000;
const STALE_MS = 10000; // Older than this, what is shown is not approved.
const THINK_MS = 1000; // An answer sooner than this is not one to what is shown.
const QUESTION_MS = 60000;
const ACTIVE_MS = 60000;

const $ = (id) => document.getElementById(id);
const cards = new Map(); // by proposal: its parts on the page, and what its order would do now
const drawn = new Map(); // by place on the page: what is drawn there, so that nothing is drawn again for nothing
const state = { now: null, live: false, at: -Infinity, seq: -1, account: -Infinity, asked: false, active: -Infinity, question: null };

// Words for the owner

function say(words) {
  $("said").textContent = words;
}

function trouble(words) {
  $("trouble").textContent = words;
  $("trouble").hidden = words === "";
}

function put(id, content, ...children) {
  const key = JSON.stringify(content);
  if (drawn.get(id) === key) return false;
  drawn.set(id, key);
  $(id).replaceChildren(...children.flatMap((child) => (typeof child === "function" ? child() : child)));
  return true;
}

const isLive = () => state.live && performance.now() - state.at < STALE_MS;
const serverNow = () => state.now.now_ms + (performance.now() - state.at);

// The session

function showLogin(why) {
  forgetSession();
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  $("page").hidden = true;
  $("halt").hidden = true;
  $("login").hidden = false;
  $("login-why").textContent = why;
  $("environment").hidden = true;
  $("trading").textContent = "";
  $("code").focus();
}

function showPage() {
  $("login").hidden = true;
  $("page").hidden = false;
  $("halt").hidden = false;
}

async function tryCode(code) {
  try {
    await logIn(code);
  } catch (error) {
    showLogin(error.message);
    return;
  }
  trouble("");
  showPage();
  await look();
}

async function begin() {
  const code = location.hash.slice(1);
  // The code is not left in the address, nor in the browser's history.
  if (code) history.replaceState(null, "", "/");
  if (code) await tryCode(code);
  else if (hasSession()) {
    showPage();
    await look();
  } else showLogin("This page is opened by a link from the terminal.");
  setInterval(look, TICK_MS);
}

function noteActivity() {
  if ($("page").hidden || performance.now() - state.active < ACTIVE_MS) return;
  state.active = performance.now();
  ask("active").catch(() => {});
}

// Looking

async function look() {
  if ($("page").hidden || state.asked) return;
  state.asked = true;
  try {
    const now = await ask("now", { known_seq: state.seq });
    state.now = now;
    state.at = performance.now();
    state.live = true;
    // What was written down may have changed the account, which is asked less often.
    if (state.seq !== now.last_seq) state.account = Math.min(state.account, performance.now() - ACCOUNT_MS + SOON_MS);
    state.seq = now.last_seq;
    trouble("");
    draw(now);
  } catch (error) {
    state.live = false;
    if (error.status === 401) showLogin(error.message);
    else trouble(`${error.message}. What is shown may be old, so nothing can be approved.`);
  } finally {
    state.asked = false;
    refreshButtons();
  }
  if (!$("page").hidden && isLive() && document.visibilityState === "visible") {
    for (const card of cards.values()) lookAtOrder(card);
    lookAtAccount();
  }
}

async function lookAtOrder(card) {
  if (card.asked || performance.now() - card.at < PREVIEW_MS) return;
  card.asked = true;
  try {
    card.preview = await ask("order", { proposal_id: card.id });
    card.why = "";
  } catch (error) {
    card.preview = null;
    card.why = error.message;
  } finally {
    card.at = performance.now();
    card.asked = false;
  }
  if (cards.get(card.id) === card) drawPreview(card);
}

async function lookAtAccount() {
  if (state.looking || performance.now() - state.account < ACCOUNT_MS) return;
  state.looking = true;
  try {
    drawAccount(await ask("account"));
  } catch (error) {
    for (const id of ["positions", "budgets", "status"]) put(id, error.message, el("p", { class: "bad" }, error.message));
  } finally {
    state.account = performance.now();
    state.looking = false;
  }
}

// Drawing

function draw(now) {
  const environment = (now.environment ?? "none").toUpperCase();
  $("environment").textContent = environment;
  $("environment").hidden = false;
  $("environment").classList.toggle("live", environment === "LIVE");
  const why = now.trading === "active" || !now.trading_reason ? "" : `: ${now.trading_reason}`;
  $("trading").textContent = `trading is ${now.trading}${why}`;
  $("trading").className = now.trading;
  $("halt").hidden = now.trading === "halted";
  drawAlarms(now);
  drawWaiting(now);
  drawOrders(now);
  drawOwner(now.owner);
  if (now.tail) drawLog(now.tail);
  document.title = now.waiting.length ? `(${now.waiting.length}) guardian` : "guardian";
}

function drawAlarms(now) {
  const alarms = (now.owner.pending ?? []).map((words) => el("p", { class: "alarm" }, words));
  put("alarms", now.owner.pending ?? [], ...alarms);
  const armed = now.mandate;
  $("mandate").hidden = !armed;
  if (!armed) return;
  const left = `${armed.left ?? "unknown"} of ${armed.budget} ${armed.currency} left`;
  const each = armed.max_order === null ? "" : `, at most ${armed.max_order} an order`;
  const minutes = Math.floor(armed.left_s / 60);
  $("mandate-words").textContent =
    `Armed: orders on ${armed.symbols.join(", ")} are placed without asking you; ${left}${each}, for ${minutes} min`;
}

function drawWaiting(now) {
  const names = new Set(now.waiting.map((one) => one.proposal_id));
  for (const [name, card] of cards) {
    if (names.has(name)) continue;
    if (card.root.contains(document.activeElement)) $("waiting-title").focus();
    card.root.remove();
    cards.delete(name);
    say(`The order ${name} no longer waits.`);
    if (state.question?.id === name) closeApproval("This order no longer waits: it expired, or was answered elsewhere.");
  }
  for (const one of now.waiting) {
    let card = cards.get(one.proposal_id);
    if (!card) {
      card = makeCard(one);
      cards.set(card.id, card);
      $("waiting").append(card.root);
      say(`An order waits for you on ${one.environment.toUpperCase()}: ${one.line}.`);
    }
    updateCard(card, one);
  }
  $("nothing").hidden = names.size > 0;
}

function makeCard(one) {
  const view = one.view.order;
  const id = one.proposal_id;
  const title = el(
    "h3",
    { id: `title-${id}` },
    el("span", { class: `environment ${one.environment}` }, one.environment.toUpperCase()),
    " ",
    el("span", { class: `side ${view.side.toLowerCase()}` }, view.side),
    " ",
    el("span", { class: "what" }, `${view.quantity} ${view.symbol}`),
  );
  const card = {
    id,
    one,
    at: -Infinity,
    preview: null,
    why: "",
    market: el("div"),
    caps: el("div", { class: "bars" }),
    no: el("div"),
    left: el("span", { class: "left" }),
    how: el("div", { class: "how" }),
    state: el("p", { class: "state" }),
    approve: button("Approve…", () => openApproval(id), { class: "primary", "aria-describedby": `title-${id}`, disabled: true }),
    reject: button("Reject…", () => openReject(card), { class: "danger", "aria-describedby": `title-${id}` }),
  };
  card.root = el(
    "article",
    { class: "order", "aria-labelledby": `title-${id}`, "data-proposal": id },
    title,
    el("p", { class: "money" }, one.money),
    card.state,
    card.market,
    card.no,
    card.caps,
    card.how,
    el("p", { class: "buttons" }, card.approve, card.reject, el("span", { class: "clock" }, "time left ", card.left)),
  );
  return card;
}

function updateCard(card, one) {
  card.one = one;
  card.state.textContent = one.view.state === "approved" ? "approved; its token waits to be used" : "";
  const proof = state.now.owner.proof;
  card.approve.hidden = proof === "terminal";
  const command = `guardian approve ${card.id}`;
  const key = `how-${card.id}-${proof}`;
  if (card.howKey !== key) {
    card.howKey = key;
    card.how.replaceChildren(
      ...(proof === "terminal" ? [el("p", {}, "Approve it in a terminal: ", el("code", { class: "command" }, command))] : []),
    );
    drawPreview(card);
  }
}

function drawPreview(card) {
  const { order: view } = card.one.view;
  const preview = card.preview;
  const now = preview?.view?.market_now;
  const counts = preview?.spends_no_budget ? "; it sells back what guardian bought, and spends no budget" : "";
  const key = JSON.stringify([preview, card.why, card.one.asked_by]);
  if (card.key !== key) {
    card.key = key;
    card.market.replaceChildren(
      facts([
        ["if sent now", preview?.at_market],
        ["order", card.one.line],
        ["counts as", `${view.counts_as} ${view.currency} against your limits${counts}`],
        ["market now", now ? `${now.bid} / ${now.ask}, fetched at ${clock(now.asked)}` : "not known"],
        ["when asked", `${view.bid} / ${view.ask}, at ${clock(card.one.view.proposed)}`],
        ["asked by", card.one.asked_by ?? "a client that gave no name"],
      ]),
    );
    const caps = preview?.caps ?? [];
    card.caps.replaceChildren(
      ...caps.map((cap) => bar(`${cap.limit}${cap.window ? ` in ${cap.window}` : ""}`, cap.unit, cap.maximum, cap.before, cap.after)),
    );
    const no = [];
    if (card.why) no.push(el("p", { class: "bad" }, `What it would do now is not known: ${card.why}`));
    if (preview?.mismatch) {
      no.push(el("p", { class: "bad" }, `This page cannot judge it: ${preview.mismatch.why}.`));
      no.push(el("p", {}, "In a terminal: ", el("code", { class: "command" }, `guardian approve ${card.id}`)));
    }
    if (preview?.denials?.length) no.push(el("p", { class: "bad" }, "This order would be denied now:"), denials(preview.denials));
    card.no.replaceChildren(...no);
  }
  refreshButtons();
}

function drawOrders(now) {
  const rows = (found) =>
    el("ul", { class: "orders" }, ...found.map((view) => order(view, now.environment, (event) => cancel(view, event.currentTarget))));
  put("orders", [now.unresolved, now.open, now.environment], () => [
    ...(now.unresolved.length ? [el("h3", {}, "Not resolved: they may exist at the exchange"), rows(now.unresolved)] : []),
    now.open.length ? rows(now.open) : el("p", {}, "No order is open."),
  ]);
}

function drawAccount({ status, positions, why_no_positions: why, currency }) {
  const held = (positions ?? []).map((one) =>
    el("li", {}, el("strong", {}, one.asset), ` bought ${one.bought}, the account has ${one.has}, can be sold back: ${one.sellable}`),
  );
  put("positions", [positions, why], () => [
    why ? el("p", { class: "bad" }, why) : held.length ? el("ul", { class: "plain" }, ...held) : el("p", {}, "Guardian holds nothing."),
  ]);
  put("budgets", status.budgets, () =>
    status.budgets.map((one) => {
      const unit = one.limit.endsWith("orders") ? "orders" : (currency ?? "");
      return bar(`${one.limit}${one.window ? ` in ${one.window}` : ""}`, unit, one.maximum, one.used, one.used);
    }),
  );
  put("status", { ...status, proposals: 0, open_orders: 0 }, () => [
    facts([
      ["orders", status.orders],
      ["keys", status.keys],
      ["which means", status.trading_means],
      ["last compared with the exchange", status.reconciled ? clock(status.reconciled) : "never"],
      ["policy", `${status.policy_source} (${(status.policy_digest ?? "not usable").slice(0, 12)})`],
    ]),
    ...status.policy_problems.map((problem) => el("p", { class: "bad" }, `policy: ${problem}`)),
  ]);
}

function drawOwner(owner) {
  const words = {
    terminal: "A yes is given in a terminal: this page approves nothing.",
    pin: "A yes needs your PIN.",
    passkey: "A yes needs your passkey.",
  };
  put("owner", owner, () => [
    el("p", {}, words[owner.proof]),
    facts([["passkeys", owner.passkeys.join(", ") || "none: `guardian passkey add NAME` registers one"], ["PIN", owner.pin ? "set" : "none"]]),
  ]);
}

function drawLog(tail) {
  const body = $("log").tBodies[0];
  const rows = [...tail].reverse().map((call) =>
    el(
      "tr",
      {},
      el("td", {}, clock(call.time)),
      el("td", {}, call.tool ?? "(event)"),
      el("td", {}, call.symbol ?? ""),
      el("td", {}, call.outcome ?? ""),
      el("td", {}, call.detail ?? ""),
    ),
  );
  body.replaceChildren(...rows);
}

// What may be pressed

function refreshButtons() {
  const live = isLive();
  for (const card of cards.values()) {
    const { preview } = card;
    const fresh = performance.now() - card.at < STALE_MS;
    card.approve.disabled = !(live && fresh && preview && !preview.mismatch && preview.denials.length === 0);
    if (state.now) card.left.textContent = duration(card.one.expires_ms - serverNow());
  }
  const question = state.question;
  if (!question) return;
  const age = performance.now() - question.at;
  if (age >= QUESTION_MS) closeApproval("You were shown prices that are over a minute old. Look again.");
  else $("approve-yes").disabled = !live || question.busy || age < THINK_MS;
}

// Approving

async function askQuestion(id) {
  const question = await ask("approval/begin", { proposal_id: id });
  state.question = { id, ...question, at: performance.now(), busy: false };
  $("approve-lines").replaceChildren(...question.summary.map((line) => el("li", {}, line)));
  $("pin-row").hidden = question.proof !== "pin";
  $("pin").required = question.proof === "pin";
  $("approve-yes").textContent = question.proof === "pin" ? "Approve with your PIN" : "Approve with your passkey";
  $("approve-yes").disabled = true;
  setTimeout(refreshButtons, THINK_MS + 20);
}

async function openApproval(id) {
  $("approve-said").textContent = "";
  $("pin").value = "";
  try {
    await askQuestion(id);
  } catch (error) {
    fail(error);
    return;
  }
  $("approve").showModal();
  if (!$("pin-row").hidden) $("pin").focus();
}

function closeApproval(words) {
  state.question = null;
  if ($("approve").open) $("approve").close();
  if (words) showResult("Nothing was approved", words);
}

async function answerApproval(event) {
  event.preventDefault();
  const question = state.question;
  if (!question || question.busy || $("approve-yes").disabled) return;
  question.busy = true;
  refreshButtons();
  const place = document.querySelector("input[name=then]:checked").value === "place";
  $("approve-said").textContent = question.proof === "pin" ? "Checking the PIN…" : "Your passkey is asked…";
  try {
    const proof = question.proof === "pin" ? { pin: $("pin").value } : await sign(question.options);
    const answer = await ask("approval/finish", { proposal_id: question.id, handle: question.handle, proof, place });
    closeApproval("");
    showResult(answer.done ? "Done" : "Not done", answer.message, answer.token, answer.hint);
    await look();
  } catch (error) {
    const words = error instanceof Failed ? error.message : "The passkey gave no answer, or you said no. Nothing was approved.";
    $("pin").value = "";
    $("approve-said").textContent = words;
    // A question is answered once: the next try is to a new one, about the market as it is then.
    try {
      if (state.question === question) await askQuestion(question.id);
    } catch {
      closeApproval(words);
    }
  }
}

function showResult(title, text, token, hint) {
  $("result-title").textContent = title;
  $("result-text").textContent = hint ? `${text}; ${hint}` : text;
  $("token-row").hidden = !token;
  $("token").textContent = token ?? "";
  if (!$("result").open) $("result").showModal();
  say(`${title}. ${text}`);
}

function fail(error) {
  if (error.status === 401) showLogin(error.message);
  else showResult("Not done", error.message);
}

// Rejecting, cancelling, disarming, halting: nothing is asked

function openReject(card) {
  $("reject").dataset.proposal = card.id;
  $("reject-line").textContent = card.one.line;
  $("reason").value = "";
  $("reject").showModal();
  $("reason").focus();
}

async function answerReject(event) {
  event.preventDefault();
  $("reject").close();
  try {
    say((await ask("reject", { proposal_id: $("reject").dataset.proposal, reason: $("reason").value })).message);
    await look();
  } catch (error) {
    fail(error);
  }
}

async function cancel(view, pressed) {
  pressed.disabled = true;
  try {
    const answer = await ask("cancel", { symbol: view.symbol, client_order_id: view.client_order_id });
    const theirs = answer.exchange_text ? ` (the exchange's own words: ${answer.exchange_text})` : "";
    if (answer.done) say(answer.message);
    else showResult("Not cancelled", `${answer.message}${theirs}`, null, answer.hint);
    drawn.delete("orders");
    await look();
  } catch (error) {
    pressed.disabled = false;
    fail(error);
  }
}

async function tighten(id, name) {
  $(id).disabled = true;
  try {
    say((await ask(name, { reason: "" })).message);
    await look();
  } catch (error) {
    fail(error);
  } finally {
    $(id).disabled = false;
  }
}

$("login-form").addEventListener("submit", (event) => {
  event.preventDefault();
  tryCode($("code").value);
  $("code").value = "";
});
$("approve-form").addEventListener("submit", answerApproval);
$("approve-no").addEventListener("click", () => closeApproval(""));
$("approve").addEventListener("close", () => (state.question = null));
$("reject-form").addEventListener("submit", answerReject);
$("reject-no").addEventListener("click", () => $("reject").close());
$("result").addEventListener("close", () => ($("token").textContent = ""));
$("halt").addEventListener("click", () => tighten("halt", "halt"));
$("disarm").addEventListener("click", () => tighten("disarm", "disarm"));
$("logout").addEventListener("click", () => logOut().catch(() => {}).then(() => showLogin("You logged out.")));
for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, noteActivity, { passive: true });
document.addEventListener("visibilitychange", look);

begin();
