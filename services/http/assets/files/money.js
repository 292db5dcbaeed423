// Amounts of money: whole minor units in a BigInt, and the digits of their currency, which the service sends.

/** The currency of a Money of the contract: its ISO 4217 code, and the digits after its decimal point. */
export const currencyOf = (amount) => ({ code: amount?.currencyCode ?? "", digits: amount?.digits ?? 0 });

/** Whole minor units. An int64 of protobuf's JSON is text, and absent for 0; a Number is a mean. */
export const minorUnits = (sent) => (typeof sent === "number" ? BigInt(Math.round(sent)) : BigInt(sent ?? 0));

export const sum = (amounts) => amounts.reduce((total, amount) => total + amount, 0n);

const formats = new Map();

function format({ code, digits }, short) {
  const key = `${code} ${digits} ${short}`;
  if (!formats.has(key)) {
    const shown = { minimumFractionDigits: digits, maximumFractionDigits: digits, trailingZeroDisplay: short ? "stripIfInteger" : "auto" };
    formats.set(key, new Intl.NumberFormat(undefined, code ? { style: "currency", currency: code, ...shown } : shown));
  }
  return formats.get(key);
}

/** An amount as people read it: 1240, USD is $12.40. ``short``: without the digits where they are all zero. */
export function money(amount, currency, short = false) {
  const minor = minorUnits(amount), { digits } = currency;
  const text = String(minor < 0n ? -minor : minor).padStart(digits + 1, "0"), point = text.length - digits;
  // Intl reads decimal text exactly, where a Number would lose the last digits of a large amount.
  return format(currency, short).format(`${minor < 0n ? "-" : ""}${text.slice(0, point)}${digits ? `.${text.slice(point)}` : ""}`);
}

/** A Money of the contract. */
export const moneyOf = (amount) => money(amount?.minorUnits, currencyOf(amount));
