import type { Slices } from "@raft2kube/std/slices.ts";
import { expect, test } from "vitest";
import { expositionText } from "../../../testing/apiserver/fake-kubelet.ts";
import { METRICS_LINE_CHARS_MAX } from "../../limits.ts";
import { samplesOf } from "./exposition.ts";
import { nextWindow, nodeUsage, podUsage, readPoints, type Window } from "./points.ts";

const START_MS = 1_000_000;
const NODE = { cpu_s: 100, memory_bytes: 1024 };

type Run = { cpu_s: number; start_ms?: number; memory_bytes?: number };

/** One scrape of a node with the pod `shop/web`, whose container `main` is in this state. */
function scrape(time_ms: number, ...runs: Run[]) {
  const containers = runs.map(({ cpu_s, start_ms = 1_000, memory_bytes = 4096 }, index) => ({
    namespace: "shop",
    pod: "web",
    container: index === 0 ? "main" : `c${index}`,
    cpu_s,
    memory_bytes,
    start_ms,
  }));
  return readPoints(expositionText(time_ms, NODE, containers), time_ms);
}

async function windowOf(...scrapes: ReturnType<typeof scrape>[]): Promise<Window> {
  let window: Window | undefined;
  for (const each of scrapes) window = nextWindow(window, await each);
  return window!;
}

const usesOf = (window: Window) => podUsage(window, "shop/web")?.get("main");

test("two scrapes are a window; one is none", async () => {
  const first = scrape(START_MS, { cpu_s: 10 });
  expect(usesOf(await windowOf(first))).toBeUndefined();
  expect(nodeUsage(await windowOf(first))).toBeUndefined();
  const window = await windowOf(first, scrape(START_MS + 15_000, { cpu_s: 13 }));
  expect(usesOf(window)).toEqual({
    timestamp: "1970-01-01T00:16:55Z",
    timestamp_ms: START_MS + 15_000,
    window: "15s",
    usage: { cpu: "200m", memory: "4Ki" },
  });
  expect(nodeUsage(window)?.usage).toEqual({ cpu: "0", memory: "1Ki" });
});

test("processor time is reported in nanocores", async () => {
  const window = await windowOf(
    scrape(START_MS, { cpu_s: 1 }),
    scrape(START_MS + 3_000, { cpu_s: 2 }),
  );
  expect(usesOf(window)?.usage["cpu"]).toBe("333333333n");
});

test("a scrape that brings nothing new keeps the window before", async () => {
  const [first, second] = [scrape(START_MS, { cpu_s: 1 }), scrape(START_MS + 15_000, { cpu_s: 4 })];
  expect(usesOf(await windowOf(first, second, second))).toEqual(
    usesOf(await windowOf(first, second)),
  );
});

test("a container that was restarted is measured again from its start", async () => {
  const before = scrape(START_MS, { cpu_s: 50 });
  const restarted = { cpu_s: 3, start_ms: START_MS + 10_000 };
  expect(usesOf(await windowOf(before, scrape(START_MS + 15_000, restarted)))).toBeUndefined();
  const fresh = { cpu_s: 3, start_ms: START_MS + 3_000 };
  expect(usesOf(await windowOf(before, scrape(START_MS + 15_000, fresh)))).toMatchObject({
    window: "12s",
    usage: { cpu: "250m" },
  });
});

test("a counter that went back is no usage", async () => {
  const window = await windowOf(
    scrape(START_MS, { cpu_s: 5 }),
    scrape(START_MS + 15_000, { cpu_s: 4 }),
  );
  expect(usesOf(window)).toBeUndefined();
});

test("a pod of which a container is not measured is left out whole", async () => {
  const once = scrape(START_MS, { cpu_s: 5 }, { cpu_s: 5 });
  const later = scrape(START_MS + 15_000, { cpu_s: 6 }, { cpu_s: 6, memory_bytes: 0 });
  expect(podUsage(await windowOf(once, later), "shop/web")).toBeUndefined();
  const joined = await windowOf(
    scrape(START_MS, { cpu_s: 5 }),
    scrape(START_MS + 15_000, { cpu_s: 6 }, { cpu_s: 1 }),
  );
  expect(podUsage(joined, "shop/web")).toBeUndefined();
});

test("lines that are no samples, strange numbers and labels do no harm", async () => {
  const text = [
    "# HELP x",
    "}{",
    "node_cpu_usage_seconds_total NaN",
    "node_cpu_usage_seconds_total -1 5",
    'container_cpu_usage_seconds_total{namespace="a",pod="\\"b\\\\",container="__proto__"} 1 5',
    'container_memory_working_set_bytes{namespace="a",pod="\\"b\\\\",container="__proto__"} 7 5',
  ].join("\n");
  const { node, pods } = await readPoints(text, 1);
  expect(node).toBeUndefined();
  expect([...pods].map(([key, points]) => [key, [...points.keys()]])).toEqual([
    ['a/"b\\', ["__proto__"]],
  ]);
});

const CPU = "container_cpu_usage_seconds_total";
const MEMORY = "container_memory_working_set_bytes";

test("labels are read from the begin on, and not searched for in a long text", async () => {
  const labels = 'namespace="a",pod="b",container="c"';
  const sample = (text: string) =>
    [...samplesOf(`${CPU}{${text}} 1 5`, new Set([CPU]))].map((each) => each?.labels);
  expect(sample(labels)).toEqual([{ namespace: "a", pod: "b", container: "c" }]);
  expect(sample(`namespace="a", pod="b,}",`)).toEqual([{ namespace: "a", pod: "b,}" }]);
  expect(sample(`!,${labels}`)).toEqual([{}]);
  // A search from each place would take time by the square of this.
  expect(sample("a".repeat(4_000))).toEqual([{}]);
  expect(sample("a".repeat(METRICS_LINE_CHARS_MAX))).toEqual([undefined]);
});

test("a name that no container can have is left out", async () => {
  const lines = ["c", "c".repeat(64)].flatMap((container) =>
    [CPU, MEMORY].map((name) => `${name}{namespace="a",pod="b",container="${container}"} 1 5`),
  );
  const { pods } = await readPoints(lines.join("\n"), 1);
  expect([...pods.get("a/b")!.keys()]).toEqual(["c"]);
});

test.each([
  ["1e305", "1", START_MS + 15_000],
  ["111", "1e300", START_MS + 15_000],
  ["111", "2", 1e15],
  ["111", "2", "9".repeat(400)],
])("of processor time %s, memory %s at %s there is no usage", async (cpu, memory, time_ms) => {
  const text =
    `node_cpu_usage_seconds_total ${cpu} ${time_ms}\n` +
    `node_memory_working_set_bytes ${memory} ${time_ms}\n`;
  const first = nextWindow(undefined, await scrape(START_MS));
  expect(nodeUsage(nextWindow(first, await readPoints(text, START_MS)))).toBeUndefined();
});

test("the text of a kubelet is read in slices, lines of other names too", async () => {
  let pauses = 0;
  const slices = { due: true, pause: async () => void pauses++ } as unknown as Slices;
  await readPoints(`${CPU}{a="b"} 1 5\nx 1\n#\n`, 1, slices);
  expect(pauses).toBe(3);
});
