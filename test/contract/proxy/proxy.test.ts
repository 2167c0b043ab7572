import { existsSync } from "node:fs";
import { MODE_NAMES } from "@raft2kube/proxy/mode-names.ts";
import { afterAll, beforeAll, describe, test } from "vitest";
import { createNodeNetwork, type NodeNetwork } from "../../../testing/network/node-network.ts";
import type { Implementation, Served } from "./implementation.ts";
import { ours } from "./ours.ts";
import { SCTP } from "./sctp-rule.ts";
import { NODE_PORT_ADDRESSES, RESTRICTED, RULES } from "./suite.ts";
import { KUBE_PROXY, upstream } from "./upstream.ts";

/** The host's kernel has no IPVS: `test/guest/proxy.test.ts` runs these rules in that mode. */
const HERE = MODE_NAMES.filter((mode) => mode !== "ipvs");
const ALL = [...RULES, SCTP];
const isRoot = process.getuid?.() === 0;

describe.runIf(isRoot)("Service proxies in network namespaces", () => {
  judge(HERE.map(ours));
});

describe.runIf(isRoot && existsSync(KUBE_PROXY))("upstream's kube-proxy", () => {
  judge((["nftables", "iptables"] as const).map(upstream));
});

function judge(implementations: readonly Implementation[]): void {
  let net: NodeNetwork;

  beforeAll(async () => {
    net = await createNodeNetwork();
  });

  afterAll(() => net.close());

  for (const { name, start, refuses } of implementations) {
    describe(name, () => {
      let served: Served;
      beforeAll(async () => {
        served = await start();
      });
      afterAll(() => served.close());

      test.each(ALL.filter((rule) => refuses[rule.name] === undefined))("$name", async (rule) => {
        await rule.run(net, served);
      });

      test(RESTRICTED.name, async () => {
        await served.close();
        served = await start(NODE_PORT_ADDRESSES);
        await RESTRICTED.run(net, served);
      });
    });
  }
}

test("every rule that is refused is one of the contract", ({ expect }) => {
  const names = new Set(ALL.map(({ name }) => name));
  for (const mode of MODE_NAMES) {
    for (const name of Object.keys(ours(mode).refuses)) expect(names).toContain(name);
  }
});
