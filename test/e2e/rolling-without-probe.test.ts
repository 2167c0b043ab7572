import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestCluster } from "./cluster.ts";
import { startLoad } from "./load.ts";
import { sharedCluster } from "./shared-cluster.ts";

const TIMEOUT_MS = 180_000;
const CLIENTS = 4;
const EXAMPLE = join(import.meta.dirname, "../../examples/web.yaml");

let cluster: TestCluster;

/** The demo without what makes its rolling update lose nothing: readiness probe and preStop. */
function unguarded(): string {
  return parseAllDocuments(readFileSync(EXAMPLE, "utf8"))
    .map((document) => {
      const container = ["spec", "template", "spec", "containers", 0];
      if (document.get("kind") === "Deployment") {
        for (const key of ["readinessProbe", "lifecycle"]) {
          if (!document.deleteIn([...container, key])) throw new Error(`the demo has no ${key}`);
        }
      }
      return String(document);
    })
    .join("---\n");
}

beforeAll(async () => {
  cluster = await sharedCluster("probeless");
  await cluster.apply(unguarded());
  await cluster.ask("rollout", "status", "deployment/web", "--timeout=60s");
}, TIMEOUT_MS);

afterAll(() => cluster?.leave(), TIMEOUT_MS);

describe("the demo without probe and preStop", { timeout: TIMEOUT_MS }, () => {
  it(`loses requests of ${CLIENTS} clients when it rolls: the probe keeps them`, async () => {
    const ip = await cluster.ask("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}");
    const load = startLoad(cluster.host, `http://${ip}/`, CLIENTS);
    await expect.poll(load.count).toBeGreaterThan(100);
    for (const version of [2, 1]) {
      await cluster.ask("set", "image", "deployment/web", `web=r2k.local/web:${version}`);
      await cluster.ask("rollout", "status", "deployment/web", "--timeout=60s");
    }
    const { requests, failures } = await load.stop();
    expect(failures.length).toBeGreaterThan(0);
    expect(failures.length).toBeLessThan(requests);
    // It is the update that lost them: once the last old pod is out of the rules, which may be
    // after the update's end, every request is answered.
    const losses = async () => {
      const calm = startLoad(cluster.host, `http://${ip}/`, CLIENTS);
      await expect.poll(calm.count).toBeGreaterThan(200);
      return (await calm.stop()).failures;
    };
    await expect.poll(losses).toEqual([]);
  });
});
