import { options, type VNode } from "preact";

/** Control characters, those that reorder the text around them, and those without a width. */
const UNSEEN = /[^\P{Cc}\n\t]|\p{Cf}|[\u2028\u2029]/gu;

/** A text that others wrote, with what is not seen in it made visible: ESC becomes ␛. */
const printable = (text: string): string =>
  text.replace(UNSEEN, (char) => {
    const code = char.codePointAt(0)!;
    if (code < 0x20) return String.fromCharCode(0x24_00 + code);
    return `\\u${code.toString(16).padStart(4, "0")}`;
  });

const shown = (child: unknown): unknown =>
  typeof child === "string" ? printable(child) : Array.isArray(child) ? child.map(shown) : child;

/** Makes all text of the page printable, whichever part shows it. */
export function showUnseen(): void {
  options.vnode = ({ props }: VNode) => {
    const given = props as Record<string, unknown>;
    for (const key of ["children", "aria-label"]) if (given[key]) given[key] = shown(given[key]);
  };
}

/** An input that the page cannot do what it asks for. */
export class InputError extends Error {}
