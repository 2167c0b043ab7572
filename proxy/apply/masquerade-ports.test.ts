import { expect, test } from "vitest";
import { baseRules as iptablesRules } from "./iptables/base.ts";
import { ipvsRules } from "./ipvs/layout.ts";
import { baseRules as nftablesRules } from "./nftables/base.ts";

const PODS = "10.244.0.0/16";
const textOf = (rules: readonly { text: string }[]) => rules.map(({ text }) => text).join("\n");

// A pod's connections to a node port can take all ports to the endpoint that its range has.
test.each([
  ["nftables", nftablesRules({ table: "t", clusterCidr: PODS }, [])],
  ["iptables", textOf(iptablesRules(undefined, PODS))],
  ["ipvs", textOf(ipvsRules(PODS))],
])("%s: connections of pods leave ports to other clients and the node", (_mode, rules) => {
  const lines = rules.split("\n");
  const ofPods = lines.findLastIndex((line) => /^.*(saddr|-s) 10.*:?1024-32767/.test(line));
  const ofAll = lines.findIndex((line) => /1024-65535/.test(line));
  expect(ofPods).toBeGreaterThan(0);
  expect(ofAll).toBeGreaterThan(ofPods);
});
