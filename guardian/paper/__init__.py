"""An embedded exchange that speaks Binance's REST protocol on loopback."""
