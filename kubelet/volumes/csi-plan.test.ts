import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { CSIDriver } from "@raft2kube/api/gen/storage/v1.ts";
import {
  NodeServiceCapability_RPC_Type as Capability,
  VolumeCapability_AccessMode_Mode as Mode,
} from "@raft2kube/proto/gen/csi.ts";
import { describe, expect, it } from "vitest";
import { planCsiMount } from "./csi-plan.ts";
import type { VolumeSpec } from "./plugin.ts";

const pod: Pod = {
  metadata: { name: "p", namespace: "ns", uid: "u" },
  spec: { containers: [], serviceAccountName: "sa" },
};

const object = (more: Partial<CSIDriver["spec"]> = {}): CSIDriver => ({
  metadata: { name: "d" },
  spec: { attachRequired: false, ...more },
});

function persistent(accessMode: string, fsType?: string): VolumeSpec {
  const csi = { driver: "d", volumeHandle: "h", ...(fsType ? { fsType } : {}) };
  const accessModes = [accessMode as "ReadWriteOnce"];
  return {
    name: "v",
    volume: { name: "v", persistentVolumeClaim: { claimName: "c" } },
    claim: {
      pvc: { metadata: {}, spec: {} },
      pv: { metadata: { name: "pv" }, spec: { csi, accessModes, mountOptions: ["noexec"] } },
    },
  };
}
const inline = (more: object = {}): VolumeSpec => ({
  name: "v",
  volume: { name: "v", csi: { driver: "d", volumeAttributes: { a: "b" }, ...more } },
});

const NONE = new Set<number>();

describe("planCsiMount", () => {
  it.each([
    ["ReadWriteOnce", Mode.SINGLE_NODE_WRITER, Mode.SINGLE_NODE_MULTI_WRITER],
    ["ReadWriteOncePod", Mode.SINGLE_NODE_WRITER, Mode.SINGLE_NODE_SINGLE_WRITER],
    ["ReadOnlyMany", Mode.MULTI_NODE_READER_ONLY, Mode.MULTI_NODE_READER_ONLY],
    ["ReadWriteMany", Mode.MULTI_NODE_MULTI_WRITER, Mode.MULTI_NODE_MULTI_WRITER],
  ])("%s, to drivers that distinguish writers and to others", (mode, plain, exact) => {
    const distinguishes = new Set<number>([Capability.SINGLE_NODE_MULTI_WRITER]);
    for (const [capabilities, expected] of [
      [NONE, plain],
      [distinguishes, exact],
    ] as const) {
      const { capability } = planCsiMount(pod, persistent(mode), object(), capabilities, undefined);
      expect(capability.accessMode).toEqual({ mode: expected });
      expect(capability.mount?.mountFlags).toEqual(["noexec"]);
    }
  });

  it("fsGroup follows the driver's policy", () => {
    const owned = (spec: VolumeSpec, more: Partial<CSIDriver["spec"]>, capabilities = NONE) =>
      planCsiMount(pod, spec, object(more), capabilities, 7).ownedByFsGroup;
    expect(owned(persistent("ReadWriteOnce", "ext4"), {})).toBe(true);
    expect(owned(persistent("ReadWriteOnce"), {})).toBe(false);
    expect(owned(persistent("ReadWriteMany", "ext4"), {})).toBe(false);
    expect(owned(persistent("ReadWriteMany"), { fsGroupPolicy: "File" })).toBe(true);
    expect(owned(persistent("ReadWriteOnce", "ext4"), { fsGroupPolicy: "None" })).toBe(false);
    const mountsGroup = new Set<number>([Capability.VOLUME_MOUNT_GROUP]);
    expect(owned(persistent("ReadWriteOnce", "ext4"), {}, mountsGroup)).toBe(false);
    const plan = planCsiMount(pod, persistent("ReadWriteOnce"), object(), mountsGroup, 7);
    expect(plan.capability.mount?.volumeMountGroup).toBe("7");
  });

  it("passes the pod's info to drivers that request it, and always that it is inline", () => {
    const context = (spec: VolumeSpec, more: Partial<CSIDriver["spec"]>) =>
      planCsiMount(pod, spec, object(more), NONE, undefined).volumeContext;
    const volumeLifecycleModes = ["Persistent" as const, "Ephemeral" as const];
    expect(context(persistent("ReadWriteOnce"), {})).toEqual({});
    expect(context(persistent("ReadWriteOnce"), { podInfoOnMount: true })).toEqual({
      "csi.storage.k8s.io/ephemeral": "false",
      "csi.storage.k8s.io/pod.name": "p",
      "csi.storage.k8s.io/pod.namespace": "ns",
      "csi.storage.k8s.io/pod.uid": "u",
      "csi.storage.k8s.io/serviceAccount.name": "sa",
    });
    expect(context(inline(), { volumeLifecycleModes })).toEqual({
      a: "b",
      "csi.storage.k8s.io/ephemeral": "true",
    });
  });

  it("attaches persistent volumes unless their CSIDriver says otherwise", () => {
    const attaches = (spec: VolumeSpec, driver: CSIDriver | undefined) =>
      planCsiMount(pod, spec, driver, NONE, undefined).attaches;
    const volume = persistent("ReadWriteOnce");
    expect(attaches(volume, undefined)).toBe(true);
    expect(attaches(volume, object({ attachRequired: true }))).toBe(true);
    expect(attaches(volume, object())).toBe(false);
    expect(attaches(inline(), object({ volumeLifecycleModes: ["Ephemeral"] }))).toBe(false);
  });

  it("refuses unsupported fields by name", () => {
    const plan = (spec: VolumeSpec, driver: CSIDriver | undefined) => () =>
      planCsiMount(pod, spec, driver, NONE, undefined);
    expect(plan(inline(), object())).toThrow('volume mode "Ephemeral" not supported');
  });

  it("asks for a block device instead of a mount in the mode Block", () => {
    const volume = persistent("ReadWriteOnce");
    volume.claim!.pv.spec.volumeMode = "Block";
    const { capability } = planCsiMount(pod, volume, object(), NONE, undefined);
    expect(capability).toMatchObject({ block: {} });
    expect(capability).not.toHaveProperty("mount");
  });
});
