import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import { describe, expect, it } from "vitest";
import { clonableHandle, restorableHandle } from "./content-source.ts";
import type { VolumeSnapshot, VolumeSnapshotContent } from "./volume-snapshot.ts";

const DRIVER = "d.example";

type Parts = [PersistentVolumeClaim, VolumeSnapshot, VolumeSnapshotContent];

const parts = (): Parts => [
  {
    metadata: { name: "c", namespace: "n" },
    spec: { resources: { requests: { storage: "2Gi" } } },
  },
  {
    metadata: { name: "s", namespace: "n", uid: "u1" },
    status: { boundVolumeSnapshotContentName: "k", readyToUse: true, restoreSize: "1Gi" },
  },
  {
    metadata: { name: "k" },
    spec: { driver: DRIVER, volumeSnapshotRef: { name: "s", namespace: "n", uid: "u1" } },
    status: { snapshotHandle: "snap-1" },
  },
];

/** The handle of parts that `change` changed. */
function handleOf(change: (...parts: Parts) => void): string {
  const changed = parts();
  change(...changed);
  return restorableHandle(...changed, DRIVER);
}

describe("clonableHandle", () => {
  type Clone = [PersistentVolumeClaim, PersistentVolumeClaim, PersistentVolume];
  const handle = (change: (...parts: Clone) => void) => {
    const clone: Clone = [
      { metadata: { name: "c", namespace: "n" }, spec: {} },
      {
        metadata: { name: "from", namespace: "n", uid: "u1" },
        spec: { volumeName: "v" },
        status: { phase: "Bound" },
      },
      {
        metadata: { name: "v" },
        spec: { claimRef: { uid: "u1" }, csi: { driver: DRIVER, volumeHandle: "vol-1" } },
      },
    ];
    change(...clone);
    return clonableHandle(...clone, DRIVER);
  };

  it("is the driver's id of the volume of a bound claim", () => {
    expect(handle(() => undefined)).toBe("vol-1");
    expect(
      handle((claim, _from, volume) => {
        claim.spec.volumeMode = "Block";
        volume.spec.volumeMode = "Block";
      }),
    ).toBe("vol-1");
  });

  it("refuses a volume of another claim, driver or mode, one that goes, or is larger", () => {
    const refused: [RegExp, (...parts: Clone) => void][] = [
      [/not bound/, (_claim, _from, { spec }) => (spec.claimRef = { uid: "other" })],
      [/deleted/, (_claim, { metadata }) => (metadata.deletionTimestamp = "2026-01-01T00:00:00Z")],
      [/another driver/, (_claim, _from, { spec }) => (spec.csi!.driver = "other")],
      [/mode Filesystem, the claim of Block/, ({ spec }) => (spec.volumeMode = "Block")],
      [
        /requests 1Gi, less than 2Gi of claim from/,
        (claim, from) => {
          claim.spec.resources = { requests: { storage: "1Gi" } };
          from.spec.resources = { requests: { storage: "2Gi" } };
        },
      ],
      [/mode Block, the claim of File/, (_claim, _from, { spec }) => (spec.volumeMode = "Block")],
    ];
    for (const [text, change] of refused) expect(() => handle(change)).toThrow(text);
  });
});

describe("restorableHandle", () => {
  it("is the driver's id of a snapshot that its content names too", () => {
    expect(handleOf(() => undefined)).toBe("snap-1");
  });

  it("refuses what is not the snapshot's, or not there yet", () => {
    const refused: [RegExp, (...parts: Parts) => void][] = [
      [/not bound/, (_claim, _snapshot, { spec }) => (spec.volumeSnapshotRef.namespace = "other")],
      [/not bound/, (_claim, _snapshot, { spec }) => (spec.volumeSnapshotRef.uid = "earlier")],
      [
        /not bound/,
        (_claim, { metadata }, { spec }) => {
          delete metadata.uid;
          delete spec.volumeSnapshotRef.uid;
        },
      ],
      [/another driver/, (_claim, _snapshot, { spec }) => (spec.driver = "other")],
      [/deleted/, (_claim, { metadata }) => (metadata.deletionTimestamp = "2026-01-01T00:00:00Z")],
      [/not ready/, (_claim, { status }) => (status!.readyToUse = false)],
      [/no snapshotHandle/, (_claim, _snapshot, content) => delete content.status],
      [/less than 3Gi/, (_claim, { status }) => (status!.restoreSize = "3Gi")],
      [/mode Block/, (_claim, _snapshot, { spec }) => (spec.sourceVolumeMode = "Block")],
    ];
    for (const [text, change] of refused) expect(() => handleOf(change)).toThrow(text);
  });

  it("changes the volume's mode where the content allows it", () => {
    const annotations = { "snapshot.storage.kubernetes.io/allow-volume-mode-change": "true" };
    expect(
      handleOf((_claim, _snapshot, content) => {
        content.spec.sourceVolumeMode = "Block";
        content.metadata.annotations = annotations;
      }),
    ).toBe("snap-1");
  });
});
