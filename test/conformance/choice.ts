import { messageOf } from "@raft2kube/std/errors.ts";
import { CommandError } from "../../cli/terminal.ts";

/**
 * The tests that one of `texts` is for: if some name contains the text, those that do, brackets and
 * all; else those that it matches as a pattern. Throws CommandError `BAD_PATTERN` for a text that
 * is neither.
 */
export function namesOf(names: readonly string[], texts: readonly string[]): Set<string> {
  return new Set(texts.flatMap((text) => namesOfOne(names, text)));
}

function namesOfOne(names: readonly string[], text: string): string[] {
  const containing = names.filter((name) => name.includes(text));
  if (containing.length > 0) return containing;
  const pattern = patternOf(text);
  return names.filter((name) => pattern.test(name));
}

function patternOf(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (thrown) {
    const what = `"${text}" is in no test's name, and no pattern: ${messageOf(thrown)}`;
    throw new CommandError("BAD_PATTERN", what, { remedy: "npm run conformance -- --list" });
  }
}
