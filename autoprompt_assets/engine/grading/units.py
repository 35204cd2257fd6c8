"""Units of figures: what may stand at a number, and which of them are the same."""

from __future__ import annotations

UNITS = frozenset(
    [
        *("mm", "cm", "dm", "m", "km", "in", "ft", "yd", "mi", "nm", "um", "µm", "μm"),
        *("mg", "g", "kg", "t", "lb", "oz", "ms", "s", "sec", "min", "h", "hr", "hrs"),
        *("d", "ml", "mL", "cl", "dl", "l", "L", "Hz", "kHz", "MHz", "GHz", "W", "kW"),
        *("MW", "J", "kJ", "V", "kV", "A", "mA", "N", "Pa", "kPa", "mol", "px", "pt"),
        *("KB", "MB", "GB", "TB", "kb", "Mb", "Gb", "°C", "°F", "C", "F"),
        *("USD", "EUR", "GBP"),
    ]
)
"""What may stand at a figure without a space; two of them that differ are two quantities."""
SAME_UNIT = {
    **{"sec": "s", "hr": "h", "hrs": "h", "mL": "ml", "L": "l", "USD": "$", "EUR": "€"},
    **{"GBP": "£", "μm": "um"},
}
UNIT_WORDS = {
    **dict.fromkeys(("second", "seconds"), "s"),
    **dict.fromkeys(("minute", "minutes"), "min"),
    **dict.fromkeys(("hour", "hours"), "h"),
    **dict.fromkeys(("day", "days"), "d"),
    **{"week": "week", "weeks": "week", "month": "month", "months": "month"},
    **{"year": "year", "years": "year", "foot": "ft", "feet": "ft", "yard": "yd", "yards": "yd"},
    **{"mile": "mi", "miles": "mi", "inch": "in", "inches": "in", "gram": "g", "grams": "g"},
    **{"ounce": "oz", "ounces": "oz", "dollar": "$", "dollars": "$", "euro": "€", "euros": "€"},
    **{
        f"{prefix}{word}{plural}": f"{short}{unit}"
        for prefix, short in (("", ""), ("kilo", "k"), ("centi", "c"), ("milli", "m"))
        for word, unit in (("meter", "m"), ("metre", "m"), ("liter", "l"), ("litre", "l"))
        for plural in ("", "s")
    },
    **{"kilogram": "kg", "kilograms": "kg", "milligram": "mg", "milligrams": "mg"},
}
"""Units written out; a pound is money or a weight, and tells nothing."""
ALSO_WORDS = frozenset(["in", "t", "d", "l", "A", "C", "F", "B"])
CURRENCIES = "$€£¥₹₩₽"
