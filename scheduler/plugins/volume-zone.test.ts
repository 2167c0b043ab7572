import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import { InformerCopy } from "@raft2kube/client-kube/informer/copy.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import { expect, test } from "vitest";
import { schedulePod } from "../cycle.ts";
import { podInfo } from "../node-info.ts";
import { checkProfile, DEFAULT_PROFILE, frameworkOf } from "../profiles.ts";
import { node, pod, snapshot } from "../testing/objects.ts";
import { volumeZone } from "./volume-zone.ts";

const ZONE = "topology.kubernetes.io/zone";
const REGION = "topology.kubernetes.io/region";
const OLD_ZONE = "failure-domain.beta.kubernetes.io/zone";

/** Schedules a pod whose claim is bound to a volume with these labels, on one node with those. */
function place(ofVolume: Record<string, string>, ofNode: Record<string, string>) {
  const volumes = new InformerCopy<PersistentVolume>();
  volumes.replace([{ metadata: { name: "v", labels: ofVolume }, spec: {} }]);
  const claims = new InformerCopy<PersistentVolumeClaim>();
  const spec = (volumeName?: string) => ({ ...(volumeName && { volumeName }) });
  claims.replace([
    { metadata: { namespace: "default", name: "bound" }, spec: spec("v") },
    { metadata: { namespace: "default", name: "waiting" }, spec: spec() },
  ]);
  const plugin = volumeZone({ claims: claims.store, volumes: volumes.store });
  const wanting = ["bound", "waiting"].map((claimName) => ({
    name: claimName,
    persistentVolumeClaim: { claimName },
  }));
  const decision = schedulePod({
    info: podInfo(pod("p", { volumes: wanting })),
    snapshot: snapshot([[node("n", { labels: ofNode }), []]]),
    framework: frameworkOf(DEFAULT_PROFILE, [plugin]),
    random: seededRandom(1),
  });
  return decision.kind === "scheduled" ? decision.kind : decision.message;
}

const CONFLICT = "0/1 nodes are available: 1 node(s) had no available volume zone.";

test.each<[Record<string, string>, Record<string, string>, string]>([
  [{ [ZONE]: "a" }, { [ZONE]: "a" }, "scheduled"],
  [{ [ZONE]: "a" }, { [ZONE]: "b" }, CONFLICT],
  [{ [ZONE]: "a__ b" }, { [ZONE]: "b" }, "scheduled"],
  [{ [ZONE]: "a", [REGION]: "r" }, { [ZONE]: "a", [REGION]: "s" }, CONFLICT],
  [{ [ZONE]: "a" }, { [REGION]: "r" }, CONFLICT],
  [{ [OLD_ZONE]: "a" }, { [ZONE]: "a" }, "scheduled"],
  [{ [OLD_ZONE]: "a" }, { [OLD_ZONE]: "b", [ZONE]: "a" }, CONFLICT],
  [{ [ZONE]: "a" }, { [OLD_ZONE]: "a" }, CONFLICT],
  [{ [ZONE]: "a__" }, { [ZONE]: "b" }, "scheduled"],
  [{ [ZONE]: "a" }, {}, "scheduled"],
  [{}, { [ZONE]: "b" }, "scheduled"],
])("a volume of %o and a node of %o: %s", (ofVolume, ofNode, expected) => {
  expect(place(ofVolume, ofNode)).toBe(expected);
});

test("a profile may leave VolumeZone out", () => {
  expect(() => checkProfile({ schedulerName: "s", disabled: ["VolumeZone"] })).not.toThrow();
});
