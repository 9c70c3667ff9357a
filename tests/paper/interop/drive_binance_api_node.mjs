// npm's `binance-api-node`; only the base URL is set.
import { check, installed, plot, rowsOf, tell } from "./story.mjs";

const { default: Binance } = installed("binance-api-node");
const { symbol, lively } = plot;
const secrets = plot.secret ? { apiSecret: plot.secret } : { privateKey: plot.private_key };
const client = Binance({ apiKey: plot.key, ...secrets, httpBase: plot.url });
const one = (name) => ({ symbol, origClientOrderId: name });

await tell({
  async market() {
    check(await client.ping(), "a ping");
    check((await client.time()) > 0, "the time");
    check((await client.exchangeInfo({ symbol })).symbols[0].status === "TRADING", "exchange info");
    check((await client.candles({ symbol: lively, interval: "1m", limit: 5 })).length, "klines");
    check((await client.trades({ symbol: lively, limit: 5 })).length, "trades");
    const best = (await client.allBookTickers())[symbol];
    const book = await client.book({ symbol, limit: 5 });
    check(book.bids[0].price === best.bidPrice && book.asks[0].price === best.askPrice, "the book");
    return {
      price: (await client.prices({ symbol }))[symbol],
      bid: best.bidPrice,
      ask: best.askPrice,
      average: (await client.avgPrice({ symbol })).price,
      open: (await client.dailyStats({ symbol })).openPrice,
    };
  },
  rehearse: (order) => client.orderTest({ symbol, ...order }),
  place: async (order) => (await client.order({ symbol, ...order })).status,
  ask: async (name) => (await client.getOrder(one(name))).status,
  cancel: async (name) => (await client.cancelOrder(one(name))).status,
  cancelAll: async () => (await client.cancelOpenOrders({ symbol })).length,
  openOrders: async () => rowsOf.names(await client.openOrders({ symbol })),
  history: async () => rowsOf.history(await client.allOrders({ symbol })),
  trades: async () => rowsOf.trades(await client.myTrades({ symbol })),
  async rates() {
    const [told] = await client.tradeFee({ symbol });
    return [told.makerCommission, told.takerCommission];
  },
  balances: async () => rowsOf.balances((await client.accountInfo()).balances),
});
