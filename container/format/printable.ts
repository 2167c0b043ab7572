/** A cell of a list, which has one line. */
export function cell(text: string): string {
  return printable(text).replace(/[\n\t]/g, (character) => (character === "\n" ? "\\n" : "\\t"));
}

/**
 * Text that others wrote, without the control characters by which it could write to the terminal
 * elsewhere, or act there. Line feeds and tabs stay.
 */
export function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}
