// In a process of its own: it enters a network namespace, and starts programs there.
import { nftTableExists } from "@raft2kube/linux/netfilter/nft.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { markOf, OwnPart } from "../../../labs/testing/own-part.ts";
import {
  ADDRESSES,
  CLUSTER_CIDR,
  createNodeNetwork,
  type NodeNetwork,
  TARGETS,
} from "../../../testing/network/node-network.ts";
import { waitFor } from "../../../testing/wait.ts";
import { NODE_NAME } from "./implementation.ts";
import { startApi } from "./upstream.ts";

// Takes turns, a cluster on a reader's parts: see labs/own-core.test.ts.

const LABS = ["14a", "14b"];
const IP = "10.96.9.9";

/** The program of a cluster's node, with the parts of a reader of labs 14a and 14b. */
describe.runIf(process.getuid?.() === 0)("a reader's own proxy", () => {
  const own = new OwnPart("own-proxy");
  let net: NodeNetwork;
  let api: Awaited<ReturnType<typeof startApi>>;
  let main: string;
  let kubeconfig: string;

  beforeAll(async () => {
    net = await createNodeNetwork();
    api = await startApi();
    kubeconfig = await api.server.kubeconfigFor("system:kube-proxy");
    const ports = [{ name: "p", port: 80, protocol: "TCP" as const }];
    const metadata = { namespace: "default", name: "web" };
    const labels = { "kubernetes.io/service-name": "web" };
    const addresses = [ADDRESSES.one, ADDRESSES.two];
    // Nothing listens at the node's own address: that endpoint refuses.
    const endpoints = [ADDRESSES.node, ...addresses].map((address) => ({ addresses: [address] }));
    await api.served.set(
      { metadata, spec: { clusterIP: IP, clusterIPs: [IP], ports } },
      {
        metadata: { ...metadata, name: "web-1", labels },
        addressType: "IPv4",
        endpoints,
        ports: [{ ...ports[0]!, port: TARGETS.http }],
      },
    );
  });
  afterAll(async () => {
    await api.served.close();
    own.remove();
    net.close();
  });

  const start = (mode: string) =>
    own.start(main, [
      "proxy",
      "--kubeconfig",
      kubeconfig,
      "--hostname-override",
      NODE_NAME,
      "--cluster-cidr",
      CLUSTER_CIDR,
      "--proxy-mode",
      mode,
    ]);
  const answered = (pattern: RegExp) =>
    waitFor(`${pattern}`, async () => {
      return pattern.test(await net.outside.ask(IP, 80, { timeout_ms: 1_000 }));
    });

  test("serves a Service by nftables, then in userspace, where it retries", async () => {
    own.writeUnjudged();
    main = await own.bundle();
    const said = start("nftables");
    await answered(/^one /);
    await answered(/^two /);
    for (const lab of LABS) expect(said()).toContain(markOf(lab));
    own.kill("proxy");
    start("userspace");
    await waitFor("the former mode's end", () => !nftTableExists("ip", "r2k-proxy"));
    const answers = await Promise.all(Array.from({ length: 9 }, () => net.outside.ask(IP, 80)));
    expect(answers.filter((answer) => !/^(one|two) /.test(answer))).toEqual([]);
  });
});
