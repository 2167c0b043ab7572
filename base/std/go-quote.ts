/** A text as Go's strconv quotes it: JSON, but for the names of control characters. */
export function goQuoted(text: string): string {
  return JSON.stringify(text)
    .replace(/\\(\\|u00([01][0-9a-f]))/g, (whole, _, code?: string) => {
      if (code === undefined) return whole;
      return code === "07" ? "\\a" : code === "0b" ? "\\v" : `\\x${code}`;
    })
    .replaceAll("\x7f", "\\x7f");
}
