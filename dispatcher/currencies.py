"""ISO 4217: how many digits the minor unit of each currency has."""

from __future__ import annotations

from collections.abc import Mapping

# Of codes that the table does not hold: withdrawn currencies, and codes for testing.
USUAL_DIGITS = 2
_CODES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW"
        " CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF"
        " IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK"
        " MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP"
        " SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG"
        " YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
# By currency code. Source: ISO 4217:2015, list one, as of 1 January 2026, without the codes that have no minor unit.
DIGITS: Mapping[str, int] = {code: digits for digits, codes in _CODES.items() for code in codes.split()}


def digits_of(currency_code: str) -> int:
    """Return the digits after the decimal point of an amount: 2 for USD, 0 for JPY."""
    return DIGITS.get(currency_code, USUAL_DIGITS)


def minor_units_in(currency_code: str) -> int:
    """Return the minor units in one unit of a currency: 100 for USD, 1 for JPY."""
    found: int = 10 ** digits_of(currency_code)
    return found
