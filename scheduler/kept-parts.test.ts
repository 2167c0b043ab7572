import { expect, test } from "vitest";
import { runWithUsed, word } from "../testing/retained.ts";

const OBJECTS = 200;
const PROGRAM = `
  const { selectorAlone, withoutLabels } = await import(${word(import.meta.dirname, "kept-parts.ts")});
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
  console.log(...grown);
`;

test("workloads and claims are kept without their templates and labels", () => {
  for (const bytes of runWithUsed(PROGRAM).map(Number)) expect(bytes).toBeLessThan(10_000);
});
