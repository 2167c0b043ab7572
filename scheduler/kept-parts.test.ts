import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

const here = (file: string) => JSON.stringify(join(import.meta.dirname, file));
const OBJECTS = 200;
const PROGRAM = `
  const { selectorAlone, withoutLabels } = await import(${here("kept-parts.ts")});
  const used = async () => {
    for (let i = 0; i < 4; i++) {
      gc();
      await new Promise((resolve) => setImmediate(resolve));
    }
    return process.memoryUsage().heapUsed;
  };
  const labels = Object.fromEntries(Array.from({ length: 2_000 }, (_, at) => ["k" + at, "v" + at]));
  const set = { metadata: { name: "s", labels }, spec: { selector: {}, template: { labels } } };
  const claim = { metadata: { name: "c", labels, finalizers: Object.keys(labels) }, spec: {} };
  const grown = [];
  for (const [shrink, object] of [[selectorAlone, set], [withoutLabels, claim]]) {
    const text = JSON.stringify(object);
    const before = await used();
    const kept = Array.from({ length: ${OBJECTS} }, () => shrink(JSON.parse(text)));
    grown.push(((await used()) - before) / kept.length);
  }
  console.log(grown.join());
`;

test("workloads and claims are kept without their templates and labels", () => {
  const args = ["--expose-gc", "--input-type=module", "--eval", PROGRAM];
  const printed = execFileSync(process.execPath, args, { encoding: "utf8" });
  for (const bytes of printed.split(",").map(Number)) expect(bytes).toBeLessThan(10_000);
});
