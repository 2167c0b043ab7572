import type { Node, Secret } from "@raft2kube/api/gen/core/v1.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import { NODES, SECRETS } from "@raft2kube/client-kube/rest/resources.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type HollowKubelet, startHollowKubelet } from "./hollow-kubelet.ts";
import { startWorld, type World } from "./world.ts";

const TIMEOUT_MS = 60_000;
let world: World;
let kubelet: HollowKubelet;

beforeAll(async () => {
  world = await startWorld();
  kubelet = await startHollowKubelet(world, "n1");
}, TIMEOUT_MS);
afterAll(async () => {
  await kubelet?.close();
  await world?.close();
});

test("a bootstrap token is deleted at its end, and no other Secret", async () => {
  const secrets = world.admin.resource<Secret>(SECRETS);
  const create = (id: string, left_ms: number, type: string) => secrets.create({
    metadata: { namespace: "kube-system", name: `bootstrap-token-${id}` },
    type,
    stringData: {
      "token-id": id, "token-secret": "0123456789abcdef",
      expiration: timeText(world.clock.now() + left_ms),
    },
  });
  const token = "bootstrap.kubernetes.io/token";
  await create("behind", -1_000, "Opaque");
  await create("lasts1", 3_600_000, token);
  await create("passed", -1_000, token);
  await create("passes", 2_000, token);
  const names = async () => {
    const { items } = await secrets.list({ namespace: "kube-system" });
    return items.map(({ metadata }) => metadata.name)
      .filter((name) => name?.startsWith("bootstrap-token-")).sort();
  };
  await waitFor("two to go", async () => (await names()).length === 2,
    { clock: world.clock, timeout_ms: TIMEOUT_MS / 2 });
  expect(await names()).toEqual(["bootstrap-token-behind", "bootstrap-token-lasts1"]);
}, TIMEOUT_MS);

test("a node of a small cluster may keep Secrets for no time", async () => {
  const node = () => world.admin.resource<Node>(NODES).get({ name: "n1" });
  await waitFor("the annotation", async () =>
    (await node()).metadata.annotations?.["node.alpha.kubernetes.io/ttl"] === "0",
  { clock: world.clock, timeout_ms: TIMEOUT_MS / 2 });
}, TIMEOUT_MS);
