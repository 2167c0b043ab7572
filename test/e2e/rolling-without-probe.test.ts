import { readFileSync } from "node:fs";
import { join } from "node:path";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { waitFor } from "../../testing/wait.ts";
import { ASK_MS, type TestCluster } from "./cluster.ts";
import { startLoad } from "./load.ts";
import { sharedCluster } from "./shared-cluster.ts";

const CLIENTS = 4;
const EXAMPLE = join(import.meta.dirname, "../../examples/web.yaml");

let cluster: TestCluster;

/** The demo without what makes its rolling update lose nothing: readiness probe and preStop. */
function unguarded(): string {
  return parseAllDocuments(readFileSync(EXAMPLE, "utf8"))
    .map((document) => {
      const container = ["spec", "template", "spec", "containers", 0];
      const name = document.getIn(["metadata", "name"]);
      if (document.get("kind") === "Deployment" && name === "web") {
        for (const key of ["readinessProbe", "lifecycle"]) {
          if (!document.deleteIn([...container, key])) throw new Error(`the demo has no ${key}`);
        }
      }
      return String(document);
    })
    .join("---\n");
}

/** The addresses of the demo's pods, also of those that end. */
async function addresses(): Promise<string[]> {
  const fields = "jsonpath={.items[*].status.podIP}";
  return (await cluster.ask("get", "pods", "-l", "app=web", "-o", fields)).split(" ");
}

/** Runs a program in the network namespace of the cluster's node. */
function onNode(...command: string[]) {
  const netns = `--net=${join(cluster.host.dir, "run", cluster.name, "netns/node")}`;
  return cluster.host.run("nsenter", [netns, ...command]);
}

/** The addresses in the proxy's rules on the cluster's node. */
async function addressesInRules(): Promise<Set<string>> {
  const { code, stdout, stderr } = await onNode("nft", "list", "table", "ip", "r2k-proxy");
  if (code !== 0) throw new Error(stderr);
  return new Set(stdout.match(/\b\d+(\.\d+){3}\b/g));
}

/**
 * Makes the node's kernel forget the connections that no pod has answered. For two minutes it sends
 * a client that uses the port of such a connection to the same pod, which is gone, regardless of
 * the rules.
 */
async function forgetUnanswered(ip: string): Promise<void> {
  const unanswered = ["-p", "tcp", "-d", ip, "--state", "SYN_SENT"];
  await onNode("conntrack", "-D", ...unanswered);
  const { code, stdout, stderr } = await onNode("conntrack", "-L", ...unanswered);
  expect([code, stdout], stderr).toEqual([0, ""]);
}

beforeAll(async () => {
  cluster = await sharedCluster("probeless");
  await cluster.apply(unguarded());
  await cluster.ask("rollout", "status", "deployment/web", "--timeout=60s");
});

afterAll(() => cluster?.leave());

describe("the demo without probe and preStop", () => {
  it(`loses requests of ${CLIENTS} clients when it rolls: the probe keeps them`, async () => {
    const ip = await cluster.ask("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}");
    const load = startLoad(cluster.host, `http://${ip}/`, CLIENTS);
    await expect.poll(load.count).toBeGreaterThan(100);
    const old: string[] = [];
    for (const version of [2, 1]) {
      old.push(...(await addresses()));
      await cluster.ask("set", "image", "deployment/web", `web=r2k.local/web:${version}`);
      await cluster.ask("rollout", "status", "deployment/web", "--timeout=60s");
    }
    const { requests, failures } = await load.stop();
    expect(failures.length).toBeGreaterThan(0);
    expect(failures.length).toBeLessThan(requests);
    // It is the update that lost them: afterwards every request is answered, but of clients whose
    // port the kernel still leads to an old pod. The update's end is not that of the last old pod
    // in the node's rules.
    await waitFor(
      "rules without the old pods",
      async () => {
        const inRules = await addressesInRules();
        const current = await addresses();
        return current.some((ip) => inRules.has(ip)) && !old.some((ip) => inRules.has(ip));
      },
      { clock: machineClock(), timeout_ms: 60_000, interval_ms: ASK_MS },
    );
    await forgetUnanswered(ip);
    const calm = startLoad(cluster.host, `http://${ip}/`, CLIENTS);
    await expect.poll(calm.count).toBeGreaterThan(200);
    expect((await calm.stop()).failures).toEqual([]);
  });
});
