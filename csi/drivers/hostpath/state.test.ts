import { expect, it } from "vitest";
import { hostPathSchema } from "./state.ts";

/** A state as the first release with this format wrote it: no volume was a block device. */
const FIRST = {
  volumes: {
    v1: { id: "v1", name: "pvc-1", capacity_bytes: 1024, ephemeral: false },
    v2: {
      id: "v2",
      name: "pvc-2",
      capacity_bytes: 1024,
      ephemeral: false,
      source: { kind: "snapshot", id: "s1" },
    },
  },
  snapshots: {
    s1: { id: "s1", name: "snap", sourceVolumeId: "v1", size_bytes: 1024, created_ms: 5 },
  },
};

it("a state of the format's first release has file systems and single snapshots", () => {
  const { v1, v2 } = FIRST.volumes;
  const { s1 } = FIRST.snapshots;
  expect(hostPathSchema.parse(FIRST)).toEqual({
    volumes: { v1: { ...v1, block: false }, v2: { ...v2, block: false } },
    snapshots: { s1: { ...s1, block: false } },
  });
});

it("a field that a later release added is refused by its name", () => {
  const newer = { ...FIRST, volumes: { v1: { ...FIRST.volumes.v1, moons: 2 } } };
  expect(() => hostPathSchema.parse(newer)).toThrow(/volumes.v1 has moons, which this program/);
});
