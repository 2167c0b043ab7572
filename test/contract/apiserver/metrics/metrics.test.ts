import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Server } from "../transcripts/servers.ts";
import { mixedLoad } from "./load.ts";
import { absentNames, metricsIn, names, readTable } from "./metric-table.ts";
import { askPages, type PageAnswer, readPages } from "./pages.ts";
import { startOurs } from "./servers.ts";

/** Names of upstream's: nothing of our own may stand under them. */
const UPSTREAM = /^(apiserver|etcd|authenticat|authoriz|aggregator|kube_apiserver|watch_cache)/;

let ours: Server;
let text = "";

beforeAll(async () => {
  ours = await startOurs();
  await mixedLoad(ours.call);
  text = (await ours.call("GET", "/metrics", {})).body.toString("utf8");
});
afterAll(() => ours?.close());

describe("metrics", () => {
  // Recorded on kube-apiserver 1.36 by scripts/record-metrics.ts.
  it("are upstream's, by name, type and labels, but for those named as absent", () => {
    const own = metricsIn(text);
    const absent = absentNames("Metrics");
    const isAbsent = (name: string) => absent.some((pattern) => names(pattern, name));
    const wrong = readTable().flatMap(({ name, type, labels, seen }) => {
      const metric = own.get(name);
      if (!metric) return isAbsent(name) ? [] : [`${name} is not there`];
      if (isAbsent(name)) return [`${name} is there, and named as absent`];
      if (metric.type !== type) return [`${name} is a ${metric.type}, upstream's a ${type}`];
      if (seen && !metric.counts && type !== "gauge") return [`${name} counts nothing`];
      if (metric.labels === undefined || metric.labels === labels) return [];
      return [`${name} has the labels ${metric.labels}, upstream's ${labels}`];
    });
    expect(wrong).toEqual([]);
  });

  it("has none of its own under upstream's names", () => {
    const table = new Set(readTable().map(({ name }) => name));
    const invented = [...metricsIn(text).keys()].filter((name) => UPSTREAM.test(name));
    expect(invented.filter((name) => !table.has(name))).toEqual([]);
  });

  it("names nothing as absent that upstream has not", () => {
    const known = readTable().map(({ name }) => name);
    expect(
      absentNames("Metrics").filter((pattern) => !known.some((name) => names(pattern, name))),
    ).toEqual([]);
  });
});

describe("diagnostic pages", () => {
  const absent = absentNames("Health checks");
  /** Upstream's answer without the checks that are not there. */
  const expected = ({ body, ...page }: PageAnswer): PageAnswer => {
    if (!Array.isArray(body)) return body === undefined ? page : { ...page, body };
    const lines = (body as string[]).filter(
      (line) => !absent.some((name) => line === `[+]${name} ok`),
    );
    return { ...page, body: lines };
  };

  // Recorded on kube-apiserver 1.36 by scripts/record-metrics.ts.
  it("answer as upstream's, but for the checks that are not there", async () => {
    expect(await askPages(ours.call)).toEqual(readPages().map(expected));
  });

  it("names nothing as absent that upstream has not", () => {
    const recorded = JSON.stringify(readPages());
    expect(absent.filter((name) => !recorded.includes(`[+]${name} ok`))).toEqual([]);
  });
});
