import type { Pod, Volume } from "@raft2kube/api/gen/core/v1.ts";
import { expect, test } from "vitest";
import { INLINE_VOLUMES_MAX } from "../limits.ts";
import { inlineVolumesOf, uniqueVolumeName } from "./attachments.ts";

const podWith = (...volumes: Volume[]): Pod => ({
  metadata: { name: "p", namespace: "ns" },
  spec: { containers: [], volumes },
});
const cinder = (volumeID: string): Volume => ({ name: volumeID, cinder: { volumeID } });
const nameOf = (handle: string) => uniqueVolumeName("cinder.csi.openstack.org", handle);

test("a pod's volumes without claims are found by their unique names, each once", () => {
  const pod = podWith(cinder("a"), { name: "e", emptyDir: {} }, cinder("a"), cinder("b"));
  expect([...inlineVolumesOf(pod).keys()]).toEqual([nameOf("a"), nameOf("b")]);
  expect(inlineVolumesOf(pod).get(nameOf("b"))?.spec.csi?.volumeHandle).toBe("b");
});

test("they are translated once, and only as many as a node mounts", () => {
  const all = Array.from({ length: 5_000 }, (_, at) => cinder(`c${at}`));
  const pod = podWith(...all);
  const volumes = inlineVolumesOf(pod);
  expect([...volumes.keys()]).toEqual(
    all.slice(0, INLINE_VOLUMES_MAX).map(({ name }) => nameOf(name)),
  );
  expect(inlineVolumesOf(pod)).toBe(volumes);
});
