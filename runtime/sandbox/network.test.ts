import { describe, expect, test } from "vitest";
import { bandwidthOf } from "./network.ts";

const INGRESS = "kubernetes.io/ingress-bandwidth";
const EGRESS = "kubernetes.io/egress-bandwidth";

describe("a pod's bounds of traffic", () => {
  test.each([
    ["none", {}, undefined],
    ["one direction", { [INGRESS]: "100M" }, { ingressRate: 1e8, ingressBurst: 1e7 }],
    ["a small rate has a burst of a few packets", { [EGRESS]: "1k" },
      { egressRate: 1_000, egressBurst: 1_048_576 }],
    ["a great rate's burst fits a bucket", { [EGRESS]: "1P" },
      { egressRate: 1e15, egressBurst: 2_147_483_647 }],
    ["both", { [INGRESS]: "20M", [EGRESS]: "1Gi" }, {
      ingressRate: 2e7, ingressBurst: 2e6, egressRate: 2 ** 30, egressBurst: 107_374_182,
    }],
  ])("%s", (_what, annotations, expected) => {
    expect(bandwidthOf(annotations)).toEqual(expected);
  });

  test.each([["fast"], ["999"], ["2P"], ["-1M"], [""]])("%j is refused by name", (text) => {
    expect(() => bandwidthOf({ [EGRESS]: text })).toThrow(/egress-bandwidth/);
  });
});
