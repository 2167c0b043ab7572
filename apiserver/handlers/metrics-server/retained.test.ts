import { expect, test } from "vitest";
import { runWithUsed, word } from "../../../testing/retained.ts";

const MIB = 1024 * 1024;
const NODES = 20;
const PROGRAM = `
  const { nextWindow, readPoints } = await import(${word(import.meta.dirname, "points.ts")});
  const of = '{container="a-container-of-a-long-name",namespace="default",pod="web"}';
  const textOf = (time_ms) => Buffer.from([
    "container_cpu_usage_seconds_total" + of + " 1 " + time_ms,
    "container_memory_working_set_bytes" + of + " 1 " + time_ms,
    "#".repeat(${4 * MIB}),
  ].join("\\n")).toString("utf8");
  const before = await used();
  const kept = [];
  for (let node = 0; node < ${NODES}; node++) {
    const first = nextWindow(undefined, await readPoints(textOf(1_000), 1));
    kept.push(nextWindow(first, await readPoints(textOf(2_000), 1)));
  }
  console.log(await used() - before, kept.length);
`;

test("what is kept of a scrape does not keep the text of the kubelet", () => {
  const [grown] = runWithUsed(PROGRAM);
  // 4 MiB of text in each of two scrapes of each node; V8 keeps the last that was matched.
  expect(Number(grown)).toBeLessThan(NODES * MIB);
});
