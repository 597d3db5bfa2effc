"""Which exchange a symbol trades on, told by the way Yahoo writes it."""

ALWAYS = "24/7"
"""The calendar of what never closes."""
HOME = "XNYS"
"""The calendar of a symbol without a suffix; Nasdaq and the other exchanges of the USA keep the same."""

_FUTURES = "CMES"

# Of a symbol's ending after the last dot; a calendar is named by the exchange's ISO 10383 code.
_OF_SUFFIX = {
    "AS": "XAMS", "AT": "ASEX", "AX": "XASX", "BA": "XBUE", "BD": "XBUD", "BE": "XFRA", "BK": "XBKK",
    "BO": "XBOM", "BR": "XBRU", "CL": "XBOG", "CN": "XTSE", "CO": "XCSE", "DE": "XETR", "DU": "XDUS",
    "F": "XFRA", "HA": "XHAM", "HE": "XHEL", "HK": "XHKG", "HM": "XHAM", "IC": "XICE", "IL": "XLON",
    "IR": "XDUB", "IS": "XIST", "JK": "XIDX", "JO": "XJSE", "KL": "XKLS", "KQ": "XKRX", "KS": "XKRX",
    "L": "XLON", "LM": "XLIM", "LS": "XLIS", "MC": "XMAD", "ME": "XMOS", "MI": "XMIL", "MU": "XFRA",
    "MX": "XMEX", "NE": "XTSE", "NS": "XBOM", "NYB": "IEPA", "NZ": "XNZE", "OL": "XOSL", "PA": "XPAR",
    "PR": "XPRA", "RG": "XRIS", "RO": "XBSE", "SA": "BVMF", "SG": "XSTU", "SI": "XSES", "SN": "XSGO",
    "SR": "XSAU", "SS": "XSHG", "ST": "XSTO", "SW": "XSWX", "SZ": "XSHG", "T": "XTKS", "TA": "XTAE",
    "TL": "XTAL", "TO": "XTSE", "TW": "XTAI", "TWO": "XTAI", "V": "XTSE", "VI": "XWBO", "VS": "XLIT",
    "WA": "XWAR",
}  # fmt: skip

# An index has no suffix that would tell.
_OF_INDEX = {
    "^AEX": "XAMS", "^AORD": "XASX", "^AXJO": "XASX", "^BFX": "XBRU", "^BSESN": "XBOM", "^BVSP": "BVMF",
    "^DJI": "XNYS", "^FCHI": "XPAR", "^FTMC": "XLON", "^FTSE": "XLON", "^FVX": "XNYS", "^GDAXI": "XETR",
    "^GSPC": "XNYS", "^GSPTSE": "XTSE", "^HSI": "XHKG", "^IBEX": "XMAD", "^IRX": "XNYS", "^IXIC": "XNYS",
    "^JKSE": "XIDX", "^KLSE": "XKLS", "^KS11": "XKRX", "^MDAXI": "XETR", "^MERV": "XBUE", "^MXX": "XMEX",
    "^N225": "XTKS", "^NDX": "XNYS", "^NSEI": "XBOM", "^NYA": "XNYS", "^NZ50": "XNZE", "^OEX": "XNYS",
    "^RUI": "XNYS", "^RUT": "XNYS", "^SP400": "XNYS", "^SP600": "XNYS", "^SSMI": "XSWX",
    "^STOXX": "XETR", "^STOXX50E": "XETR", "^STI": "XSES", "^TNX": "XNYS", "^TWII": "XTAI",
    "^TYX": "XNYS", "^VIX": "XNYS", "^VXN": "XNYS", "^XAX": "XNYS",
}  # fmt: skip

# A coin is written against one of these (BTC-USD); a class of shares has a letter or two there (BRK-B).
_QUOTED_IN = frozenset({
    "AUD", "BRL", "BTC", "CAD", "CHF", "CNY", "DKK", "ETH", "EUR", "GBP", "HKD", "IDR", "ILS", "INR", "JPY",
    "KRW", "MXN", "MYR", "NOK", "NZD", "PHP", "PLN", "RUB", "SEK", "SGD", "THB", "TRY", "TWD", "USD", "USDC",
    "USDT", "ZAR",
})  # fmt: skip


def calendar_of(symbol: str) -> str | None:
    """Return the name of the calendar that a canonical symbol trades by, or None when nobody can tell."""
    if symbol.endswith("=X") or (symbol.rpartition("-")[2] in _QUOTED_IN and "-" in symbol):
        return ALWAYS
    if symbol.endswith("=F"):
        return _FUTURES
    if symbol.startswith("^"):
        return _OF_INDEX.get(symbol)
    _, dot, suffix = symbol.rpartition(".")
    return _OF_SUFFIX.get(suffix) if dot else HOME
