/** Characters of all warnings of an answer, and of each once there are more (as upstream). */
const WARNINGS_CHARACTERS = 4 * 1024;
const CUT_CHARACTERS = 256;

/**
 * The `Warning` headers of an answer, each text once. When they are too long together, each is cut,
 * and those past the limit are left out: clients refuse headers without a bound.
 */
export function warningHeaders(warnings: readonly string[]): string[] {
  const texts = [...new Set(warnings)];
  const length = texts.reduce((sum, text) => sum + text.length, 0);
  if (length <= WARNINGS_CHARACTERS) return texts.map(warningHeader);
  const headers: string[] = [];
  let written = 0;
  for (const text of texts) {
    if (written >= WARNINGS_CHARACTERS) break;
    const cut = [...text.slice(0, 2 * CUT_CHARACTERS)].slice(0, CUT_CHARACTERS).join("");
    written += cut.length;
    headers.push(warningHeader(cut));
  }
  return headers;
}

/** RFC 7234 5.5 with code 299, as upstream writes it. */
function warningHeader(text: string): string {
  const safe = text
    .replace(/[\r\n]+/g, " ")
    .replace(/[\\"]/g, "\\$&")
    .replace(/[^\x20-\x7e]/g, "?");
  return `299 - "${safe}"`;
}
