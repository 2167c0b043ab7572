import { describe, expect, it } from "vitest";
import { decodeJson } from "../../codec/json.ts";
import { messageOfField } from "../../errors.ts";
import type { PersistentVolume, PersistentVolumeClaim } from "../../gen/core/v1.ts";
import { persistentVolume } from "./persistent-volume.ts";
import { persistentVolumeClaim } from "./persistent-volume-claim.ts";

const CONTEXT = { now_ms: 0 };

function claim(spec: object = {}): PersistentVolumeClaim {
  const { object } = decodeJson<PersistentVolumeClaim>("core/v1.PersistentVolumeClaim", {
    metadata: { name: "data", namespace: "n", resourceVersion: "1" },
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } }, ...spec },
  });
  persistentVolumeClaim.strategy.defaults(object);
  persistentVolumeClaim.strategy.prepareCreate(object, CONTEXT);
  return object;
}

function volume(spec: object = {}): PersistentVolume {
  const { object } = decodeJson<PersistentVolume>("core/v1.PersistentVolume", {
    metadata: { name: "pv", resourceVersion: "1" },
    spec: {
      accessModes: ["ReadWriteOnce"],
      capacity: { storage: "1Gi" },
      hostPath: { path: "/x" },
      ...spec,
    },
  });
  persistentVolume.strategy.defaults(object);
  return object;
}

describe("PersistentVolumeClaim", () => {
  it.each([
    [{ accessModes: [] }, "spec.accessModes: Required value: at least 1 access mode is required"],
    [{ accessModes: ["RWO"] }, 'spec.accessModes: Unsupported value: "RWO"'],
    [{ accessModes: Array(17).fill("ReadWriteOnce") }, "spec.accessModes: Too many: 17"],
    [{ resources: {} }, "spec.resources[storage]: Required value"],
    [{ resources: { requests: { storage: "0" } } }, "must be greater than zero"],
    [{ volumeMode: "File" }, 'spec.volumeMode: Unsupported value: "File"'],
  ])("with %j is refused", (spec, message) => {
    const errors = persistentVolumeClaim.strategy.validateCreate(claim(spec), CONTEXT);
    expect(errors.map(messageOfField).join("\n")).toContain(message);
  });

  type Change = (next: PersistentVolumeClaim) => void;

  function update(old: PersistentVolumeClaim, change: Change): string {
    const next = structuredClone(old);
    change(next);
    persistentVolumeClaim.strategy.prepareUpdate(next, old, CONTEXT);
    return persistentVolumeClaim.strategy
      .validateUpdate(next, old, CONTEXT)
      .map(messageOfField)
      .join("\n");
  }

  it("may be bound once, and grow when it is bound", () => {
    const bind = (next: PersistentVolumeClaim): void => {
      next.spec.volumeName = "pv";
    };
    const grow = (next: PersistentVolumeClaim): void => {
      next.spec.resources = { requests: { storage: "2Gi" } };
    };
    expect(update(claim(), bind)).toBe("");
    expect(update(claim(), grow)).toContain("spec is immutable after creation");
    const bound = claim({ volumeName: "pv" });
    bound.status = { phase: "Bound", capacity: { storage: "1Gi" } };
    expect(update(bound, grow)).toBe("");
    expect(
      update(bound, (next) => {
        next.spec.volumeName = "other";
      }),
    ).toContain("spec is immutable after creation");
    expect(
      update(bound, (next) => {
        next.spec.resources = { requests: { storage: "1Mi" } };
      }),
    ).toContain("field can not be less than status.capacity");
  });

  it("begins with nothing of another namespace, where no grant is asked for", () => {
    const source = { kind: "PersistentVolumeClaim", name: "secret" };
    const foreign = { dataSourceRef: { ...source, namespace: "other" } };
    expect(claim(foreign).spec).not.toHaveProperty("dataSourceRef");
    expect(claim({ dataSourceRef: source }).spec.dataSourceRef).toEqual(source);
    const own = claim();
    expect(update(own, (next) => void Object.assign(next.spec, foreign))).toBe("");
    const old = claim();
    Object.assign(old.spec, foreign); // stored while the gate was on
    expect(update(old, () => undefined)).toBe("");
  });

  it("shows the bound volume's size", () => {
    const bound = claim({ volumeName: "pv", storageClassName: "fast" });
    bound.status = { phase: "Bound", capacity: { storage: "3Gi" }, accessModes: ["ReadWriteOnce"] };
    const cells = persistentVolumeClaim.columns.map((each) => each.value(bound, 0));
    expect(cells).toEqual([
      "data",
      "Bound",
      "pv",
      "3Gi",
      "RWO",
      "fast",
      "<unset>",
      "<unknown>",
      "Filesystem",
    ]);
  });
});

describe("PersistentVolume", () => {
  it.each([
    [{ hostPath: undefined }, "spec: Required value: must specify a volume type"],
    [{ nfs: { server: "s", path: "/" } }, "may not specify more than 1 volume type"],
    [{ capacity: {} }, "spec.capacity: Required value"],
    [{ persistentVolumeReclaimPolicy: "Keep" }, 'Unsupported value: "Keep"'],
  ])("with %j is refused", (spec, message) => {
    const errors = persistentVolume.strategy.validateCreate(volume(spec), CONTEXT);
    expect(errors.map(messageOfField).join("\n")).toContain(message);
  });

  it("keeps its attributes class, which may be another but not none", () => {
    const of = (volumeAttributesClassName?: string) =>
      volume({
        hostPath: undefined,
        csi: { driver: "d.example.com", volumeHandle: "h" },
        ...(volumeAttributesClassName && { volumeAttributesClassName }),
      });
    const update = (next: PersistentVolume) =>
      persistentVolume.strategy.validateUpdate(next, of("gold"), CONTEXT).map(messageOfField);
    expect(update(of("silver"))).toEqual([]);
    expect(update(of())).toEqual([
      "spec.volumeAttributesClassName: Forbidden: update from non-nil value to nil is forbidden",
    ]);
  });

  it("keeps its source", () => {
    const errors = persistentVolume.strategy.validateUpdate(
      volume({ hostPath: { path: "/y" } }),
      volume(),
      CONTEXT,
    );
    expect(errors.map(messageOfField).join()).toContain("immutable after creation");
  });
});

it("amounts of storage are rounded up to thousandths, and volumes have the defaults of pods'", () => {
  expect(claim({ resources: { requests: { storage: "1u" } } }).spec.resources).toEqual({
    requests: { storage: "1m" },
  });
  const rbd = { monitors: ["m"], image: "i" };
  const { spec } = volume({ capacity: { storage: "1.0001" }, hostPath: undefined, rbd });
  expect(spec.capacity).toEqual({ storage: "1001m" });
  expect(spec.rbd).toMatchObject({ pool: "rbd", user: "admin", keyring: "/etc/ceph/keyring" });
});
