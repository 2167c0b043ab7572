/**
 * Positions in texts by characters (code points), as expressions count them, over JavaScript's
 * UTF-16 units. A text without characters beyond the basic plane has both the same.
 */
import { lengthOf } from "../operations.ts";

const ASTRAL = /[\u{10000}-\u{10ffff}]/u;

/** The unit at which a character starts; the text's length past its end. */
export function unitOf(text: string, position: number): number {
  if (!ASTRAL.test(text)) return Math.min(position, text.length);
  let unit = 0;
  for (let left = position; left > 0 && unit < text.length; left--) {
    unit += text.codePointAt(unit)! > 0xffff ? 2 : 1;
  }
  return unit;
}

/** The position of the character that starts at a unit. */
export function positionOf(text: string, unit: number): number {
  return unit < 0 ? unit : lengthOf(text.slice(0, unit));
}

export function slice(text: string, start: number, end: number): string {
  return text.slice(unitOf(text, start), unitOf(text, end));
}
