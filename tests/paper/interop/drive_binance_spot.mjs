// npm's `@binance/spot`, the official SDK; only the base path is set.
import { check, installed, plot, rowsOf, tell } from "./story.mjs";

const { Spot } = installed("@binance/spot");
const { symbol, lively } = plot;
const secrets = plot.secret ? { apiSecret: plot.secret } : { privateKey: plot.private_key };
const configurationRestAPI = { apiKey: plot.key, ...secrets, basePath: plot.url, timeout: 10000, retries: 0 };
const api = new Spot({ configurationRestAPI }).restAPI;
const call = async (name, params) => (await api[name](params)).data();
const one = (name) => ({ symbol, origClientOrderId: name });

await tell({
  async market() {
    await call("ping");
    check((await call("time")).serverTime > 0, "the time");
    check((await call("exchangeInfo", { symbol })).symbols[0].status === "TRADING", "exchange info");
    check((await call("klines", { symbol: lively, interval: "1m", limit: 5 })).length, "klines");
    check((await call("getTrades", { symbol: lively, limit: 5 })).length, "trades");
    check((await call("tickerPrice", { symbols: [symbol, "ETHUSDT"] })).length === 2, "two prices");
    const best = await call("tickerBookTicker", { symbol });
    const book = await call("depth", { symbol, limit: 5 });
    check(book.bids[0][0] === best.bidPrice && book.asks[0][0] === best.askPrice, "the book");
    return {
      price: (await call("tickerPrice", { symbol })).price,
      bid: best.bidPrice,
      ask: best.askPrice,
      average: (await call("avgPrice", { symbol })).price,
      open: (await call("ticker24hr", { symbol })).openPrice,
    };
  },
  rehearse: (order) => call("orderTest", { symbol, ...order }),
  place: async (order) => (await call("newOrder", { symbol, ...order })).status,
  ask: async (name) => (await call("getOrder", one(name))).status,
  cancel: async (name) => (await call("deleteOrder", one(name))).status,
  cancelAll: async () => (await call("deleteOpenOrders", { symbol })).length,
  openOrders: async () => rowsOf.names(await call("getOpenOrders", { symbol })),
  history: async () => rowsOf.history(await call("allOrders", { symbol })),
  trades: async () => rowsOf.trades(await call("myTrades", { symbol })),
  async rates() {
    check((await call("rateLimitOrder")).length, "the order counts");
    const told = (await call("accountCommission", { symbol })).standardCommission;
    return [told.maker, told.taker];
  },
  balances: async () => rowsOf.balances((await call("getAccount")).balances),
});
