// The one story that every client tells, and what it saw as JSON; story.py is the same for Python's clients.
// Run in the folder that a client was installed into. What to do comes as JSON on stdin.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import net from "node:net";

const realConnect = net.Socket.prototype.connect;
// Only this machine is reached: a request that a client sends elsewhere fails, and the test with it.
net.Socket.prototype.connect = function connect(...given) {
  const [first, second] = Array.isArray(given[0]) ? given[0] : given;
  const host = typeof first === "object" ? first.host : second;
  if (!["127.0.0.1", "localhost"].includes(host)) throw new Error(`a client wanted to reach ${host}`);
  return realConnect.apply(this, given);
};

export const plot = JSON.parse(readFileSync(0, "utf8"));
export const installed = createRequire(`${process.cwd()}/`);

export function check(claim, what) {
  if (!claim) throw new Error(`not so: ${what}`);
}

async function each(things, what) {
  const told = [];
  for (const thing of things) told.push(await what(thing));
  return told;
}

async function refusal(placing) {
  try {
    await placing;
  } catch (error) {
    return error.message;
  }
  throw new Error("an order beyond the account's means was placed");
}

export async function tell(teller) {
  const seen = { before: await teller.balances(), market: await teller.market(), rates: await teller.rates() };
  await teller.rehearse(plot.orders[0]);
  seen.placed = await each(plot.orders, (order) => teller.place(order));
  seen.refused = await refusal(teller.place(plot.beyond));
  seen.open = await teller.openOrders();
  seen.asked = await each(plot.asked, (name) => teller.ask(name));
  seen.cancelled = await each(plot.cancelled, (name) => teller.cancel(name));
  seen["left open"] = await teller.openOrders();
  seen.history = await teller.history();
  seen.trades = await teller.trades();
  seen.balances = await teller.balances();
  seen.swept = await teller.cancelAll();
  seen.after = await teller.balances();
  process.stdout.write(JSON.stringify(seen), () => process.exit(0));
}

export const rowsOf = {
  names: (rows) => rows.map((row) => row.clientOrderId),
  history: (rows) => rows.map((row) => [row.clientOrderId, row.status, row.executedQty]),
  trades: (rows) => rows.map((row) => [row.price, row.qty, row.commission, row.commissionAsset]),
  balances: (rows) => Object.fromEntries(rows.map((row) => [row.asset, [row.free, row.locked]])),
};
