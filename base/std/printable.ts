/**
 * Text that others wrote, without the control characters by which it could write to the terminal
 * elsewhere, or act there (CVE-2021-25743 of kubectl). Line feeds and tabs stay.
 */
export function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}
