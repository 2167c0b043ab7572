import type { Container, Pod, Volume } from "@raft2kube/api/gen/core/v1.ts";
import { describe, expect, test } from "vitest";
import { podResources } from "../containers/qos.ts";
import {
  capacityExcess,
  hasCapacity,
  type LocalStorage,
  limitsStorage,
  storageExcess,
  storageRequest_bytes,
  totalOf,
} from "./local-storage.ts";

const MEBIBYTE = 2 ** 20;

function containerOf(name: string, limit?: string): Container {
  return { name, ...(limit ? { resources: { limits: { "ephemeral-storage": limit } } } : {}) };
}

function podOf(containers: Container[], volumes: Volume[] = [], init: Container[] = []): Pod {
  return { metadata: { name: "p" }, spec: { containers, volumes, initContainers: init } };
}

/** Usages in MiB, by name. */
function storageOf(
  containers: Record<string, number>,
  emptyDirs: Record<string, number> = {},
): LocalStorage {
  const bytes = (used: Record<string, number>) =>
    new Map(
      Object.entries(used).map(([name, mebibytes]) => {
        return [name, { used_bytes: mebibytes * MEBIBYTE, inodes: 1 }];
      }),
    );
  const hosts = { used_bytes: 0, inodes: 1 };
  const unlinked = { used_bytes: 0, inodes: 0 };
  return { containers: bytes(containers), volumes: bytes(emptyDirs), hosts, unlinked };
}

const SIZED: Volume = { name: "v", emptyDir: { sizeLimit: "1Mi" } };

describe("local storage", () => {
  test.each<[string, Pod, LocalStorage, string | undefined]>([
    [
      "an emptyDir beyond its size",
      podOf([containerOf("a")], [SIZED]),
      storageOf({}, { v: 2 }),
      'Usage of EmptyDir volume "v" exceeds the limit "1Mi". ',
    ],
    ["one that is full", podOf([containerOf("a")], [SIZED]), storageOf({}, { v: 1 }), undefined],
    [
      "a limit of nothing",
      podOf([containerOf("a")], [{ name: "v", emptyDir: { sizeLimit: "0" } }]),
      storageOf({}, { v: 9 }),
      undefined,
    ],
    [
      "the pod as a whole, its emptyDirs counted",
      podOf([containerOf("a", "4Mi")], [SIZED]),
      storageOf({ a: 4 }, { v: 1 }),
      "Pod ephemeral local storage usage exceeds the total limit of containers 4Mi. ",
    ],
    [
      "the pod as a whole, its hosts file counted",
      podOf([containerOf("a", "4Mi")]),
      { ...storageOf({ a: 1 }), hosts: { used_bytes: 4 * MEBIBYTE, inodes: 1 } },
      "Pod ephemeral local storage usage exceeds the total limit of containers 4Mi. ",
    ],
    [
      "the pod as a whole, its removed files counted",
      podOf([containerOf("a", "4Mi")]),
      { ...storageOf({ a: 1 }), unlinked: { used_bytes: 4 * MEBIBYTE, inodes: 1 } },
      "Pod ephemeral local storage usage exceeds the total limit of containers 4Mi. ",
    ],
    [
      "one container of two",
      podOf([containerOf("a", "1Mi"), containerOf("b", "9Mi")]),
      storageOf({ a: 2, b: 1 }),
      'Container a exceeded its local ephemeral storage limit "1Mi". ',
    ],
    [
      "an init step may have more",
      podOf([containerOf("a", "1Mi")], [], [containerOf("i", "5Mi")]),
      storageOf({ i: 4 }),
      undefined,
    ],
    ["a container without a limit", podOf([containerOf("a")]), storageOf({ a: 999 }), undefined],
  ])("%s", (_, pod, storage, expected) => expect(storageExcess(pod, storage)).toBe(expected));

  test("a pod's containers are read once, and not again for each sidecar", () => {
    let read = 0;
    const amount = { length: 1, toString: () => (read++, "1") } as unknown as string;
    const resources = { requests: { "ephemeral-storage": amount } };
    const sidecars = Array.from({ length: 60 }, (_, i) => ({
      ...{ name: `s${i}`, image: "i", restartPolicy: "Always" as const, resources },
    }));
    const pod = podOf([containerOf("a")], [], sidecars);
    expect(storageRequest_bytes(pod)).toBe(60);
    expect(read).toBeLessThan(10 * sidecars.length);
    const before = read;
    expect(storageRequest_bytes({ ...pod })).toBe(60);
    expect(podResources(pod).cpuRequest_milli).toBeUndefined();
    expect(read).toBe(before);
  });

  test("pods without limits are not measured for them", () => {
    expect(limitsStorage(podOf([containerOf("a")], [{ name: "v", emptyDir: {} }]))).toBe(false);
    const memory: Volume = { name: "v", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } };
    expect(limitsStorage(podOf([containerOf("a")], [memory]))).toBe(false);
    expect(limitsStorage(podOf([containerOf("a")], [SIZED]))).toBe(true);
    expect(limitsStorage(podOf([containerOf("a", "1Mi")]))).toBe(true);
    const total = totalOf(storageOf({ a: 1 }, { v: 2 }));
    expect(total).toEqual({ used_bytes: 3 * MEBIBYTE, inodes: 3 });
  });

  test("a volume above the capacity that its driver reports, but not a full one", () => {
    const usage = (used_bytes?: number, capacity_bytes?: number) => ({
      used_bytes,
      capacity_bytes,
      available_bytes: 0,
      inodes: undefined,
      inodesFree: undefined,
      inodesUsed: undefined,
    });
    const excess = 'Usage of volume "v" exceeds its capacity of 1048576 bytes. ';
    expect(capacityExcess("v", usage(MEBIBYTE + 1, MEBIBYTE))).toBe(excess);
    expect(capacityExcess("v", usage(MEBIBYTE, MEBIBYTE))).toBeUndefined();
    const read = { ...usage(MEBIBYTE + 1, MEBIBYTE), readOnly: true };
    expect(capacityExcess("v", read)).toBeUndefined();
    for (const unknown of [undefined, usage(), usage(1), usage(undefined, 1)]) {
      expect(capacityExcess("v", unknown)).toBeUndefined();
    }
    expect(hasCapacity({ name: "v", csi: { driver: "d" } })).toBe(true);
    expect(hasCapacity(SIZED)).toBe(false);
  });
});
