import { expect, test } from "vitest";
import type { ClusterConfig } from "../spec/config.ts";
import { changedGuest } from "./guest-flags.ts";

const guest = { memory_MiB: 512, disk_GiB: 8, proxyMode: "ipvs" } as const;
const node = (of?: ClusterConfig["guest"]) => {
  return { name: "one", nodeName: "machine", ...(of ? { guest: of } : {}) };
};

test("a guest that was stopped takes another mode, and keeps the rest", () => {
  expect(changedGuest({ proxyMode: "iptables" }, node(guest), false)).toEqual({
    ...guest,
    proxyMode: "iptables",
  });
});

test("without the flag, or with the mode that it has, nothing changes", () => {
  expect(changedGuest({}, node(guest), false)).toBeUndefined();
  expect(changedGuest({ proxyMode: "ipvs" }, node(guest), true)).toBeUndefined();
  expect(changedGuest({}, node(), true)).toBeUndefined();
});

test("a guest that runs, and a node that is none, are refused with a remedy", () => {
  const change = { proxyMode: "iptables" } as const;
  expect(() => changedGuest(change, node(guest), true)).toThrow(
    expect.objectContaining({ code: "RUNNING", remedy: expect.stringMatching(/node stop mach/) }),
  );
  expect(() => changedGuest(change, node(), false)).toThrow(
    expect.objectContaining({
      code: "BAD_FLAG",
      remedy: expect.stringMatching(/^r2k start --proxy-mode iptables/),
    }),
  );
});
