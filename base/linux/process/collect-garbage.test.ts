import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";

/** Calls 2,000 functions and prints V8's bytes of code before them, after them, and collected. */
const CALLS = `
  import { getHeapCodeStatistics } from "node:v8";
  import * as collect from ${JSON.stringify(join(import.meta.dirname, "collect-garbage.ts"))};
  const body = "let n = a; n += 1; n *= 2; n -= 3; n /= 4; n %= 5; return n;";
  const bytes = () => getHeapCodeStatistics().bytecode_and_metadata_size;
  const before = bytes();
  const called = Array.from({ length: 2_000 }, (_, i) => {
    const text = "const f = (a) => { " + body + " return " + i + " }; f(a); return f";
    return new Function("a", text)(i);
  });
  const after = bytes();
  // In a later task: what a task has looked at stays until it ends.
  setImmediate(() => {
    collect[process.argv.at(-1)]();
    console.log(JSON.stringify([bytes() - before, after - before, called.length]));
  });
`;

it.each([
  ["collectCode", true],
  ["collectGarbage", false],
])("%s drops the code of functions that were called just before: %s", (name, expected) => {
  const args = ["--input-type=module", "--eval", CALLS, name];
  const printed = execFileSync(process.execPath, args, { encoding: "utf8" });
  const [collected, after] = JSON.parse(printed) as [number, number];
  expect(after).toBeGreaterThan(200_000);
  expect(collected < after / 4).toBe(expected);
});
