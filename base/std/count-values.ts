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
  let inText = false;
  for (let at = 0; at < json.length && values <= values_max; at++) {
    const byte = json[at]!;
    if (byte === QUOTE) inText = !inText;
    else if (!inText) values += MARKS[byte]!;
    else if (byte === BACKSLASH) at++;
  }
  return values;
}
