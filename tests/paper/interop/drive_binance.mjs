// npm's `binance`; only the base URL is set.
import { check, installed, plot, rowsOf, tell } from "./story.mjs";

const { MainClient } = installed("binance");
const { symbol, lively } = plot;
const client = new MainClient({ api_key: plot.key, api_secret: plot.secret ?? plot.private_key, baseUrl: plot.url });
const one = (name) => ({ symbol, origClientOrderId: name });

await tell({
  async market() {
    await client.testConnectivity();
    // Not getServerTime(): it asks the real exchange, whatever baseUrl says (getForBaseUrl in 3.6.5).
    check((await client.get("api/v3/time")).serverTime > 0, "the time");
    check((await client.getExchangeInfo({ symbol })).symbols[0].status === "TRADING", "exchange info");
    check((await client.getKlines({ symbol: lively, interval: "1m", limit: 5 })).length, "klines");
    check((await client.getRecentTrades({ symbol: lively, limit: 5 })).length, "trades");
    check((await client.getSymbolPriceTicker()).length > 1, "all prices");
    const best = await client.getSymbolOrderBookTicker({ symbol });
    const book = await client.getOrderBook({ symbol, limit: 5 });
    check(book.bids[0][0] === best.bidPrice && book.asks[0][0] === best.askPrice, "the book");
    return {
      price: (await client.getSymbolPriceTicker({ symbol })).price,
      bid: best.bidPrice,
      ask: best.askPrice,
      average: (await client.getAvgPrice({ symbol })).price,
      open: (await client.get24hrChangeStatistics({ symbol })).openPrice,
    };
  },
  rehearse: (order) => client.testNewOrder({ symbol, ...order }),
  place: async (order) => (await client.submitNewOrder({ symbol, ...order })).status,
  ask: async (name) => (await client.getOrder(one(name))).status,
  cancel: async (name) => (await client.cancelOrder(one(name))).status,
  cancelAll: async () => (await client.cancelAllSymbolOrders({ symbol })).length,
  openOrders: async () => rowsOf.names(await client.getOpenOrders({ symbol })),
  history: async () => rowsOf.history(await client.getAllOrders({ symbol })),
  trades: async () => rowsOf.trades(await client.getAccountTradeList({ symbol })),
  async rates() {
    check((await client.getOrderRateLimit()).length, "the order counts");
    const told = (await client.getCommissionRates({ symbol })).standardCommission;
    return [told.maker, told.taker];
  },
  balances: async () => rowsOf.balances((await client.getAccountInformation()).balances),
});
