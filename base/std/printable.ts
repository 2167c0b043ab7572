/** Control characters, those that reorder the text around them, and those without a width. */
const UNSEEN = /[^\P{Cc}\n\t]|\p{Cf}|[\u2028\u2029]/gu;

/**
 * Text that others wrote, without the characters by which it could write to the terminal elsewhere,
 * act there (CVE-2021-25743 of kubectl), or look like another text. Line feeds and tabs stay.
 */
export function printable(text: string): string {
  return text.replace(UNSEEN, (character) => {
    const code = character.codePointAt(0)!;
    const [prefix, digits] = code < 0x100 ? ["\\x", 2] : ["\\u", 4];
    return prefix + code.toString(16).padStart(digits, "0");
  });
}

/** JSON of a value, with these characters as escapes. */
export function printableJson(value: unknown): string {
  const escapeOf = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value).replace(UNSEEN, (text) => text.split("").map(escapeOf).join(""));
}
