/** Go's name of the place of a syntax error, by the start of V8's message. */
const PLACES: readonly (readonly [complaint: RegExp, place: string])[] = [
  [/^Unexpected token/, "looking for beginning of value"],
  [/^Expected (double-quoted )?property name/, "looking for beginning of object key string"],
  [/^Expected ':'/, "after object key"],
  [/^Expected ',' or '}'/, "after object key:value pair"],
  [/^Expected ',' or ']'/, "after array element"],
  [/^Unterminated fractional/, "after decimal point in numeric literal"],
  [/^No number after minus/, "in numeric literal"],
  [/^Exponent part/, "in exponent of numeric literal"],
  [/^Bad control character/, "in string literal"],
  [/^Bad escaped/, "in string escape code"],
  [/^Bad Unicode escape/, "in \\u hexadecimal character escape"],
];

/** V8's complaint about a text that is not JSON, in the words of Go's decoder where it has some. */
export function goSyntaxError(text: string, { message }: SyntaxError): string {
  const [, position] = /at position (\d+)/.exec(message) ?? [];
  const [, token] = /^Unexpected token '(.)'/su.exec(message) ?? [];
  const letter = token ?? text[Number(position)];
  if (letter === undefined) return "unexpected end of JSON input";
  const [, place] = PLACES.find(([complaint]) => complaint.test(message)) ?? [];
  return `invalid character ${quoted(letter)} ${place ?? "after top-level value"}`;
}

/** A letter as Go's strconv quotes it. */
function quoted(letter: string): string {
  if (letter === "'") return "'\\''";
  if (letter === '"') return "'\"'";
  return `'${JSON.stringify(letter)
    .slice(1, -1)
    .replace(/^\\u00/, "\\x")}'`;
}
