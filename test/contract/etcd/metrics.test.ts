import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { bytes } from "./fixture.ts";
import { ETCD_36_PROGRAM, type Running, threeMembers, upstream36 } from "./implementations.ts";

/** Every metric of etcd 3.6.5, by its sources and a running one: name, type, labels. */
const RECORDED = join(import.meta.dirname, "recorded/metrics.txt");
const DIVERGENCE = join(import.meta.dirname, "../../../docs/DIVERGENCE.md");

interface Metric {
  readonly type: string;
  /** Labels, sorted; undefined where no sample shows them. */
  readonly labels: string | undefined;
}

function recorded(): Map<string, Metric> {
  const lines = readFileSync(RECORDED, "utf8").trim().split("\n");
  return new Map(
    lines.map((line) => {
      const [name = "", type = "", labels = ""] = line.split(" ");
      return [name, { type, labels }];
    }),
  );
}

/** Reads the metrics that a running store serves. */
async function served({ endpoint }: Running): Promise<Map<string, Metric>> {
  const text = await (await fetch(`${endpoint}/metrics`)).text();
  const found = new Map<string, Metric>();
  for (const [, name = "", type = ""] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    const sample = new RegExp(`^${name}(?:_bucket|_sum|_count)?(?:\\{(.*)\\})? `, "m").exec(text);
    const labels = [...(sample?.[1] ?? "").matchAll(/(\w+)="/g)].map((match) => match[1]!);
    const own = labels.filter((label) => label !== "le" && label !== "quantile").sort();
    found.set(name, { type, labels: sample ? own.join(",") : undefined });
  }
  return found;
}

/** The names in docs/DIVERGENCE.md's table of metrics; `go_*` stands for all that start so. */
function absent(): (name: string) => boolean {
  const [, section = ""] = readFileSync(DIVERGENCE, "utf8").split("## Metrics of `r2k store`\n");
  const [table = ""] = section.split("\n## ");
  const names = [...table.matchAll(/^\| `(\S+)` \|/gm)].map((match) => match[1]!);
  return (name) =>
    names.some((each) => (each.endsWith("*") ? name.startsWith(each.slice(0, -1)) : name === each));
}

async function use({ client }: Running): Promise<void> {
  await client.put({ key: bytes("k"), value: bytes("v") });
  await client.range({ key: bytes("k") });
  await client.deleteRange({ key: bytes("k") });
  const { ID } = await client.leaseGrant({ TTL: 100 });
  await client.leaseKeepAlive({ ID });
}

describe("metrics", () => {
  test("are etcd's, by name, type and labels, but for those named as absent", async () => {
    const running = await threeMembers.start();
    try {
      await use(running);
      for (const page of ["readyz", "livez", "health"]) {
        expect((await fetch(`${running.endpoint}/${page}`)).status).toBe(200);
      }
      const own = await served(running);
      const isAbsent = absent();
      const wrong: string[] = [];
      for (const [name, { type, labels }] of recorded()) {
        const metric = own.get(name);
        if (!metric) {
          if (!isAbsent(name)) wrong.push(`${name} is not there`);
          continue;
        }
        if (isAbsent(name)) wrong.push(`${name} is there, and named as absent`);
        if (metric.type !== type) wrong.push(`${name} is a ${metric.type}, etcd's a ${type}`);
        if (metric.labels !== undefined && metric.labels !== labels) {
          wrong.push(`${name} has the labels ${metric.labels}, etcd's ${labels}`);
        }
      }
      expect(wrong).toEqual([]);
      // Nothing is invented under etcd's name.
      const names = [...own.keys()].filter((name) => name.startsWith("etcd_"));
      expect(names.filter((name) => !recorded().has(name))).toEqual([]);
    } finally {
      await running.stop();
    }
  });
});

test.runIf(existsSync(ETCD_36_PROGRAM))("etcd 3.6 serves none that is not recorded", async () => {
  const running = await upstream36.start();
  try {
    await use(running);
    const known = recorded();
    for (const [name, { type, labels }] of await served(running)) {
      expect([name, known.get(name)?.type]).toEqual([name, type]);
      if (labels !== undefined) expect([name, known.get(name)?.labels]).toEqual([name, labels]);
    }
  } finally {
    await running.stop();
  }
});
