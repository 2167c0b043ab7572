const QUOTE = '"'.charCodeAt(0);
const BACKSLASH = "\\".charCodeAt(0);
/** The values that each byte counts for. */
const MARKS = new Uint8Array(256);
for (const mark of "[{,:") MARKS[mark.charCodeAt(0)] = 1;

/**
 * Counts the values in JSON, by the marks before them that are in no text, until there are more
 * than `values_max`. The names of members count too.
 */
export function countValues(json: Buffer, values_max = Infinity): number {
  let values = 0;
  for (let at = 0; at < json.length && values <= values_max; at++) {
    const byte = json[at]!;
    if (byte === QUOTE) at = endOfText(json, at);
    else values += MARKS[byte]!;
  }
  return values;
}

/** The place of the quote that ends the text at `from`. */
function endOfText(json: Buffer, from: number): number {
  let end = from;
  do end = json.indexOf(QUOTE, end + 1);
  while (end !== -1 && isEscaped(json, end));
  return end === -1 ? json.length : end;
}

function isEscaped(json: Buffer, quote: number): boolean {
  let slashes = 0;
  while (json[quote - 1 - slashes] === BACKSLASH) slashes++;
  return slashes % 2 === 1;
}
