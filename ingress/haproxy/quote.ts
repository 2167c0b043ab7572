import { assert } from "@raft2kube/std/assert.ts";
import { CodedError } from "@raft2kube/std/errors.ts";

/**
 * Writes any text as one word of haproxy's configuration: every character but letters, digits and
 * a few signs is `\xHH`, so no text can end the word, the line or a quotation, or be expanded.
 */
export function word(text: string): string {
  // Not even escaped: a header must not get a line of its own.
  if (/[\x00-\x1f\x7f]/.test(text)) {
    throw new CodedError("BAD_TEXT", `${JSON.stringify(text.slice(0, 64))} has control characters`);
  }
  return [...Buffer.from(text, "utf8")].map(byteOf).join("");
}

/** The same for a log format, in which `%` starts an expression: it is doubled. */
export const format = (text: string): string => word(text.replaceAll("%", "%%"));

/** A name that this program makes itself, for places where no quotation is read. */
export function token(text: string): string {
  assert(/^[\w.:-]+$/.test(text), () => `not a token of haproxy: ${JSON.stringify(text)}`);
  return text;
}

/** The name of a header or of a parameter, as an argument in parentheses. */
export function argument(name: string): string {
  if (/^[\w.-]{1,256}$/.test(name)) return name;
  throw new CodedError("BAD_NAME", `${JSON.stringify(name.slice(0, 64))} is not a usable name`, {
    remedy: "use letters, digits, -, _ and .",
  });
}

/** A key of a map file, which ends at a space; it is not expanded and not unescaped. */
export function mapKey(text: string): string {
  assert(
    /^[\x21-\x7e]+$/.test(text) && !text.startsWith("#"),
    () => `not a key of a map: ${JSON.stringify(text)}`,
  );
  return text;
}

function byteOf(byte: number): string {
  const character = String.fromCharCode(byte);
  return /[A-Za-z0-9_./-]/.test(character) ? character : `\\x${byte.toString(16).padStart(2, "0")}`;
}
