import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { WILDCARD_STEPS } from "../limits.ts";

/**
 * An element of a pattern: `text` matches any text, `name` any text without a slash, a function one
 * character; `skip` makes the two elements after it optional.
 */
type Part = "text" | "name" | "skip" | ((char: string) => boolean);

export const literal =
  (wanted: string): Part =>
  (char) =>
    char === wanted;
export const notSlash: Part = (char) => char !== "/";

/**
 * Yields the lengths of the prefixes of a text that match a pattern, the shortest first. The time
 * grows with the product of both sizes, which come from people who are not trusted.
 */
export function* fittingLengths(parts: readonly Part[], text: string): Generator<number> {
  if (parts.length * text.length > WILDCARD_STEPS) {
    throw new RuntimeError("resource-exhausted", `a pattern of ${parts.length} parts is too long`);
  }
  const enter = (places: Set<number>, at: number) => {
    for (; !places.has(at); at++) {
      places.add(at);
      const part = parts[at];
      if (part === "skip") enter(places, at + 3);
      else if (part !== "text" && part !== "name") return;
    }
  };
  let places = new Set<number>();
  enter(places, 0);
  for (let length = 0; places.size > 0; length++) {
    if (places.has(parts.length)) yield length;
    const char = text[length];
    if (char === undefined) return;
    const after = new Set<number>();
    for (const at of places) {
      const part = parts[at];
      if (part === "text" || (part === "name" && char !== "/")) enter(after, at);
      else if (typeof part === "function" && part(char)) enter(after, at + 1);
    }
    places = after;
  }
}

/** Whether the whole text fits. */
export function fits(parts: readonly Part[], text: string): boolean {
  for (const length of fittingLengths(parts, text)) if (length === text.length) return true;
  return false;
}

/** The parts of a place of the context, or of a pattern of it (Go's filepath.Match, and `**`). */
export function partsOf(pattern: string): Part[] {
  const parts: Part[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at]!;
    const end = char === "[" ? pattern.indexOf("]", at + 1) : -1;
    if (pattern.startsWith("**/", at)) {
      parts.push("skip", "text", literal("/"));
      at += 2;
    } else if (pattern.startsWith("**", at)) {
      parts.push("text");
      at += 1;
    } else if (char === "*") parts.push("name");
    else if (char === "?") parts.push(notSlash);
    else if (end >= 0) {
      parts.push(oneOf(pattern.slice(at + 1, end)));
      at = end;
    } else if (char === "\\") parts.push(literal(pattern[++at] ?? "\\"));
    else parts.push(literal(char));
  }
  return parts;
}

function oneOf(characters: string): Part {
  try {
    const expression = new RegExp(`[${characters.replace(/\\/g, "\\\\")}]`, "s");
    return (char) => expression.test(char);
  } catch (cause) {
    const message = `[${characters}] is no set of characters`;
    throw new RuntimeError("invalid-argument", message, { cause });
  }
}
