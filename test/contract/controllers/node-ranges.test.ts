import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { EVENTS, NODES } from "@raft2kube/client-kube/rest/resources.ts";
import { expect, test } from "vitest";
import { fileControlPlane } from "./file-control-plane.ts";

/** Four ranges of 16 addresses. */
const SETTINGS = { clusterCidr: "10.9.0.0/26", nodeCidrMask: 28 };
const RANGES = 4;

const plane = fileControlPlane([], SETTINGS);
const { eventually } = plane;

test("nodes beyond the last range say so once, and get one when another node goes", async () => {
  const nodes = plane.admin.resource(NODES);
  const names = Array.from({ length: RANGES + 2 }, (_, index) => `n${index}`);
  for (const name of names) await nodes.create({ metadata: { name }, spec: {} });
  const unavailable = ({ status }: Node) => {
    return status?.conditions?.find(({ type }) => type === "NetworkUnavailable");
  };
  const late = await eventually("two nodes without a range", async () => {
    const { items } = await nodes.listAll({});
    const without = items.filter((node) => unavailable(node)?.status === "True");
    return without.length === 2 ? without : undefined;
  });
  for (const node of late) {
    expect(unavailable(node)).toMatchObject({ reason: "CIDRNotAvailable" });
    expect(unavailable(node)?.message).toMatch(/all 4 ranges of \/28 in 10\.9\.0\.0\/26/);
  }
  // Repeated writes of a kubelet do not raise a node's priority.
  for (let beat = 0; beat < 20; beat++) {
    for (const { metadata } of late) {
      const labels = { beat: String(beat) };
      await nodes.patch({ name: metadata.name ?? "" }, "merge", { metadata: { labels } });
    }
  }
  const first = (await nodes.listAll({})).items.find(({ spec }) => spec?.podCIDR);
  await nodes.delete({ name: first?.metadata.name ?? "" });
  const freed = await eventually("the range that is free again", async () => {
    const { items } = await nodes.listAll({});
    const [next] = items.filter(({ spec }) => spec?.podCIDR === first?.spec?.podCIDR);
    return next && unavailable(next)?.status === "False" ? next : undefined;
  });
  expect(late.map(({ metadata }) => metadata.name)).toContain(freed.metadata.name);
  const { items } = await plane.admin.resource(EVENTS).listAll({});
  const said = items.filter(({ reason }) => reason === "CIDRNotAvailable");
  expect(said.map(({ involvedObject, count }) => [involvedObject.name, count]).sort()).toEqual(
    late.map(({ metadata }) => [metadata.name, 1]).sort(),
  );
});
