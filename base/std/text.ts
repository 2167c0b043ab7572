/**
 * A text without the characters at its end that are among some. A regular expression for that, as
 * `/\/+$/`, tries each place where they are: 60,000 slashes before another character take seconds.
 */
export function withoutEnd(text: string, characters: string): string {
  let end = text.length;
  while (end > 0 && characters.includes(text[end - 1]!)) end--;
  return text.slice(0, end);
}

/** Compares texts by their characters' numbers, as Go does, for a sort. */
export const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
