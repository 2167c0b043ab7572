/** A command of a document's `console` block, and its output lines. */
export type Walk = { readonly command: string; readonly expected: readonly string[] };

/** The commands of all `console` blocks, in their order. */
export function walksOf(markdown: string): Walk[] {
  const blocks = [...markdown.matchAll(/^```console\n(.*?)^```$/gms)].map((match) => match[1]!);
  return blocks.flatMap((block) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((part) => {
        const [command = "", ...expected] = part.trimEnd().split("\n");
        return { command, expected };
      }),
  );
}

/** Returns a printed line with single spaces: widths of columns are not compared. */
export const squeezed = (line: string): string => line.trim().replace(/\s+/g, " ");

/** Whether a line is as expected; `...` matches any text. */
function fits(line: string, expected: string): boolean {
  const parts = expected.split("...").map((part) => part.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(line);
}

/** Checks of several files pass in any order: brings their lines into the expected one. */
function passedInOrder(lines: readonly string[], wanted: readonly string[]): string[] {
  const isPassed = (line: string) => line.startsWith("✓ ");
  const place = (line: string) => wanted.indexOf(line) + 1 || wanted.length + 1;
  const passed = lines.filter(isPassed).toSorted((a, b) => place(a) - place(b));
  return lines.map((line) => (isPassed(line) ? passed.shift()! : line));
}

/**
 * Lines of kubectl's log that report no loss: kubectl 1.32 reads an exec connection while it
 * still makes its streams, and may drop the empty message that says that the connection stands.
 */
const DROPPED_GREETING = /^E\d{4} [^\n]* websocket\.go:\d+\] Unknown stream id \d+, [^\n]*\n/gm;

/**
 * Returns the printed lines, each replaced by the expected line that it matches. A line of `...`
 * alone matches all lines up to the first that matches the next expected one.
 */
export function compared(printed: string, expected: readonly string[]): string[] {
  const wanted = expected.map(squeezed);
  const said = printed.replace(DROPPED_GREETING, "");
  const lines = passedInOrder(said.trimEnd().split("\n").map(squeezed), wanted);
  const result: string[] = [];
  let at = 0;
  while (lines.length > 0) {
    const want = wanted[at++] ?? "";
    if (want !== "...") {
      const line = lines.shift()!;
      result.push(fits(line, want) ? want : line);
      continue;
    }
    result.push(want);
    const next = wanted[at];
    const end = next === undefined ? -1 : lines.findIndex((line) => fits(line, next));
    lines.splice(0, end < 0 ? lines.length : end);
  }
  return result;
}
