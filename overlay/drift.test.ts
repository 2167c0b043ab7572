import { join } from "node:path";
import { ipv4Subnet } from "@raft2kube/cni/lib/subnet.ts";
import { createNetns, deleteNetns, inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { createBridge, getLink, openRoute, setLink } from "@raft2kube/linux/netlink/link.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { suiteFolder } from "../testing/folders.ts";
import { waitFor } from "../testing/wait.ts";
import { OverlayNetwork } from "./apply.ts";
import { watchDrift } from "./drift.ts";

/** Changes of links by 110 pods that start at a time. */
const CHANGES = 110 * 9;
const root = suiteFolder("r2k-drift-");
const netns = join(root, "ns");

beforeAll(() => createNetns(netns));
afterAll(() => deleteNetns(netns));

test("no change is missed while a node's pods begin and the thread is busy", async () => {
  using route = inNetns(netns, openRoute);
  createBridge(route, { name: "eth0", up: true });
  const link = getLink(route, "eth0");
  const seen: (Error | undefined)[] = [];
  const events = watchDrift({
    network: new OverlayNetwork(netns),
    range: ipv4Subnet("10.244.0.0/16")!,
    links: () => ({ device: undefined, underlay: link.index }),
    onChange: (missed) => void seen.push(missed),
  });
  try {
    for (let i = 0; i < CHANGES; i++) setLink(route, link, { alias: `n${i}` });
    const clock = systemClock();
    const done = () => seen.length >= CHANGES || seen.some(Boolean);
    await waitFor("all changes, or a loss", done, { clock });
    expect(seen.filter(Boolean)).toEqual([]);
  } finally {
    events.close();
  }
});
