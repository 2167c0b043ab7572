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
