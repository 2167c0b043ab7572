import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { suiteFolder } from "../../../testing/folders.ts";
import { waitFor } from "../../../testing/wait.ts";
import { createNetns, deleteNetns, inNetns } from "../namespace/netns.ts";
import { readSysctl } from "../proc/sysctl.ts";
import { addAddress } from "./address.ts";
import { setTransmitChecksum } from "./ethtool.ts";
import { RTMGRP, watchRoute } from "./events.ts";
import { deleteFdbEntry, listFdb, replaceFdbEntry } from "./fdb.ts";
import {
  createBridge,
  createVxlan,
  deleteLink,
  getLink,
  type Link,
  openRoute,
  setLink,
} from "./link.ts";
import { deleteNeighbour, listNeighbours, replaceNeighbour } from "./neighbour.ts";
import { deleteRoute, listRoutes, replaceRoute } from "./route.ts";

const root = suiteFolder("r2k-vxlan-");
const netns = join(root, "ns");
const MAC = "02:00:00:00:00:09";

let device: Link;

beforeAll(() => {
  createNetns(netns);
  using route = inNetns(netns, openRoute);
  createBridge(route, { name: "eth0", up: true });
  const { index: underlay } = getLink(route, "eth0");
  addAddress(route, underlay, "192.0.2.1/24");
  createVxlan(
    route,
    { name: "vx", mac: MAC, mtu: 1400 },
    { vni: 77, port: 4790, local: "192.0.2.1", underlay, learning: false },
  );
  setLink(route, getLink(route, "vx"), { up: true });
  device = getLink(route, "vx");
});

afterAll(() => deleteNetns(netns));

test("a VXLAN link is read as it was made", () => {
  expect(device).toMatchObject({
    kind: "vxlan",
    mac: MAC,
    mtu: 1400,
    up: true,
    vxlan: { vni: 77, port: 4790, local: "192.0.2.1", learning: false },
  });
});

test.each([
  ["neighbours", replaceNeighbour, listNeighbours, deleteNeighbour],
  ["the forwarding database", replaceFdbEntry, listFdb, deleteFdbEntry],
] as const)("entries of %s are set and deleted", (_, replace, list, remove) => {
  using route = inNetns(netns, openRoute);
  const link = device.index;
  const entry = { link, address: "192.0.2.7", mac: "02:00:00:00:00:07" };
  replace(route, entry);
  replace(route, entry);
  expect(list(route, link)).toEqual([{ ...entry, permanent: true }]);
  expect(remove(route, entry)).toBe(true);
  expect(remove(route, entry)).toBe(false);
  expect(list(route, link)).toEqual([]);
});

test("a permanent entry finds space in a full table of neighbours", () => {
  const size = Number(readSysctl("net/ipv4/neigh/default/gc_thresh3"));
  const lines = Array.from(
    { length: size + 64 },
    (_, i) =>
      `neigh replace 10.${100 + (i >> 16)}.${(i >> 8) & 255}.${i & 255} lladdr ${MAC} dev vx ` +
      "nud reachable\n",
  );
  const { index: link } = device;
  const entry = { link, address: "192.0.2.8", mac: "02:00:00:00:00:08" };
  // The machine has one table for all namespaces: it is full for this one call alone.
  const refused = inNetns(netns, () => {
    using route = openRoute();
    const filled = spawnSync("ip", ["-force", "-batch", "-"], { input: lines.join("") });
    replaceNeighbour(route, entry);
    spawnSync("ip", ["neigh", "flush", "dev", "vx"]);
    return filled.stderr.toString();
  });
  expect(refused).toContain("No buffer space available");
  using route = inNetns(netns, openRoute);
  expect(listNeighbours(route, link)).toContainEqual({ ...entry, permanent: true });
  deleteNeighbour(route, entry);
});

test("a route may have a gateway on link and an owner", () => {
  using route = inNetns(netns, openRoute);
  const item = {
    to: "10.9.2.0/24",
    via: "10.9.2.0",
    link: device.index,
    onlink: true,
    protocol: 114,
  };
  replaceRoute(route, item);
  expect(listRoutes(route)).toContainEqual({ ...item, scope: 0 });
  expect(deleteRoute(route, { ...item, protocol: 3 })).toBe(false);
  expect(deleteRoute(route, item)).toBe(true);
});

test("checksums are left to a link, or not", () => {
  inNetns(netns, () => {
    expect(setTransmitChecksum("vx", true)).toBe(false);
    expect(setTransmitChecksum("vx", false)).toBe(true);
    expect(setTransmitChecksum("vx", false)).toBe(false);
    expect(setTransmitChecksum("vx", true)).toBe(true);
  });
});

test("changes are reported, and ENOBUFS when they come faster than they are read", async () => {
  const clock = systemClock();
  const seen: number[] = [];
  const lost: Error[] = [];
  const events = inNetns(netns, () =>
    watchRoute({
      groups: RTMGRP.LINK,
      onMessage: ({ type }) => void seen.push(type),
      onLost: (error) => void lost.push(error),
      buffer_bytes: 8_192,
    }),
  );
  using route = inNetns(netns, openRoute);
  setLink(route, device, { alias: "yours" });
  await waitFor("the change", () => seen.includes(16), { clock });
  expect(lost).toEqual([]);
  for (let i = 0; i < 200; i++) setLink(route, device, { alias: `n${i}` });
  await waitFor("the loss", () => lost.length > 0, { clock });
  expect(lost).toEqual([expect.objectContaining({ code: "ENOBUFS" })]);
  events.close();
});

test("closing ends the reports", async () => {
  let count = 0;
  const watch = () =>
    inNetns(netns, () =>
      watchRoute({
        groups: RTMGRP.LINK,
        onMessage: () => void count++,
        onLost: () => void count++,
        buffer_bytes: 65_536,
      }),
    );
  watch().close();
  const second = watch();
  using route = inNetns(netns, openRoute);
  setLink(route, device, { alias: "last" });
  await waitFor("the second's report", () => count > 0);
  expect(count).toBe(1);
  second.close();
  deleteLink(route, "vx");
});
