import { describe, expect, test } from "vitest";
import { templateHash } from "../pod-template.ts";
import { newReplicaSetOf, sameTemplate } from "./template.ts";

const TEMPLATE = {
  metadata: { labels: { app: "web" } },
  spec: { containers: [{ name: "c", image: "i" }] },
};

describe("sameTemplate", () => {
  test.each([
    ["key order", { spec: TEMPLATE.spec, metadata: TEMPLATE.metadata }, true],
    [
      "the hash label",
      { ...TEMPLATE, metadata: { labels: { app: "web", "pod-template-hash": "x" } } },
      true,
    ],
    ["empty collections", { ...TEMPLATE, spec: { ...TEMPLATE.spec, volumes: [] } }, true],
    ["another label", { ...TEMPLATE, metadata: { labels: { app: "x" } } }, false],
    [
      "an empty object that means something",
      { ...TEMPLATE, spec: { ...TEMPLATE.spec, securityContext: {} } },
      false,
    ],
  ])("%s", (_name, other, expected) => {
    expect(sameTemplate(TEMPLATE, other)).toBe(expected);
  });
});

test("the hash differs by template and collision, and is a label's value", () => {
  const other = { ...TEMPLATE, metadata: { labels: { app: "x" } } };
  const hashes = [templateHash(TEMPLATE), templateHash(other), templateHash(TEMPLATE, 1)];
  expect(new Set(hashes).size).toBe(3);
  for (const hash of hashes) expect(hash).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{1,10}$/);
});

test("a template is read once, however often and with how many others it is compared", () => {
  let reads = 0;
  const template = (image: string) => ({
    metadata: {},
    get spec() {
      reads++;
      return { containers: [{ name: "c", image }] };
    },
  });
  const labels = { matchLabels: { app: "web" } };
  const set = (image: string) => ({
    metadata: { name: image, creationTimestamp: `2020-01-01T00:00:0${image}Z` },
    spec: { selector: labels, template: template(image) },
  });
  const sets = ["1", "2", "3", "4"].map(set);
  const deployment = { metadata: {}, spec: { selector: labels, template: template("4") } };
  expect(newReplicaSetOf(deployment, sets)).toBe(sets[3]);
  expect(reads).toBe(5);
  expect(newReplicaSetOf(deployment, sets)).toBe(sets[3]);
  expect(reads).toBe(5);
});
