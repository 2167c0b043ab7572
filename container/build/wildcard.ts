import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { RE2JS, RE2JSException } from "re2js";
import { PATTERN_CHARACTERS, WILDCARD_STEPS } from "../limits.ts";

/**
 * Compiles a pattern's regular expression: RE2's, as patterns and texts come from people who are
 * not trusted. Returns it for a text that it may be compared with.
 */
function compiled(pattern: string, toExpression: () => string): (text: string) => RE2JS {
  if (pattern.length > PATTERN_CHARACTERS) {
    const why = `a pattern of over ${PATTERN_CHARACTERS} characters`;
    throw new RuntimeError("resource-exhausted", why);
  }
  let expression: RE2JS;
  try {
    expression = RE2JS.compile(`(?s)${toExpression()}`);
  } catch (cause) {
    if (!(cause instanceof RE2JSException)) throw cause;
    throw new RuntimeError("invalid-argument", `${pattern} is no pattern`, { cause });
  }
  return (text: string) => {
    if (pattern.length * text.length <= WILDCARD_STEPS) return expression;
    const why = `${text.length} characters are too many for a pattern`;
    throw new RuntimeError("resource-exhausted", why);
  };
}

const TOKEN = /\*\*\/?|[*?]|\[([^\]]*)\]|\\?([^])/g;
const EXPRESSIONS: Readonly<Record<string, string>> = {
  "**/": "(?:.*/)?",
  "**": ".*",
  "*": "[^/]*",
  "?": "[^/]",
};

/** Returns whether a whole name fits a pattern (Go's filepath.Match, and `**`). */
export function matcherOf(pattern: string): (name: string) => boolean {
  const expressionFor = compiled(pattern, () =>
    pattern.replace(TOKEN, (token, set?: string, char?: string) => {
      if (set !== undefined) return `[${set.replace(/[\\[]/g, "\\$&")}]`;
      return EXPRESSIONS[token] ?? RE2JS.quote(char!);
    }),
  );
  return (name) => expressionFor(name).testExact(name);
}

/** Finds parts of a text that fit a shell's pattern of `*` and `?`: as much as fits, or as little. */
export function partFinder(pattern: string, text: string, { longest }: { longest: boolean }) {
  const expressionFor = compiled(pattern, () =>
    pattern.replace(/[^]/g, (char) => {
      if (char === "*") return longest ? ".*" : ".*?";
      return char === "?" ? "." : RE2JS.quote(char);
    }),
  );
  return expressionFor(text).matcher(text);
}
