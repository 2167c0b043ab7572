import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createNode, deleteNode, type NodeLink } from "@raft2kube/cni/node/node.ts";
import { listAddresses } from "@raft2kube/linux/address.ts";
import { deleteLink, listLinks, openRoute } from "@raft2kube/linux/link.ts";
import { inNetns, isNetns } from "@raft2kube/linux/netns.ts";
import { listRuleset } from "@raft2kube/linux/nft.ts";
import { deleteRoute, listRoutes } from "@raft2kube/linux/route.ts";
import { readSysctl, writeSysctl } from "@raft2kube/linux/sysctl.ts";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createWorld, type World } from "../../contract/cni/world.ts";

let world: World;
let before: unknown;

const node = (name: string, slot: number): NodeLink => ({
  name,
  netnsPath: join(world.root, "run", name, "netns", "node"),
  hostDevice: `r2k-${name}`,
  hostAddress: `10.200.${slot}.1`,
  nodeAddress: `10.200.${slot}.2`,
  podCidr: `10.${244 - slot}.0.0/16`,
  serviceCidr: `10.${96 + slot}.0.0/16`,
});

/** Everything of the host that a node may touch. */
async function host(): Promise<unknown> {
  using route = openRoute();
  const tables = await listRuleset(["ruleset"]);
  return {
    links: listLinks(route).map(({ name, up }) => `${name} ${up}`),
    addresses: listAddresses(route).map(({ cidr }) => cidr).filter((cidr) => !/^fe80/.test(cidr)),
    routes: listRoutes(route).map(({ to, via, source }) => `${to} ${via} ${source}`).sort(),
    rules: tables.filter((object) => !("metainfo" in object)).map(withoutHandle),
    forward: readSysctl("net.ipv4.ip_forward"),
  };
}

/** Numbers that the kernel assigns again each time are not compared. */
function withoutHandle(object: object): string {
  return JSON.stringify(object, (key, value) => (key === "handle" ? undefined : value));
}

beforeAll(() => {
  world = createWorld();
});
afterAll(() => world.close());

beforeEach(async () => {
  writeSysctl("net.ipv4.ip_forward", 0);
  before = await host();
});

test("deleting a node leaves the host as it was", async () => {
  await createNode(node("one", 0));
  expect(await host()).not.toEqual(before);
  expect(readSysctl("net.ipv4.ip_forward")).toBe("1");
  await deleteNode(node("one", 0));
  expect(await host()).toEqual(before);
  expect(isNetns(node("one", 0).netnsPath)).toBe(false);
});

test("neither end of a node's link learns routes from the other", async () => {
  const link = node("one", 0);
  await createNode(link);
  for (const setting of ["ipv6/conf/*/accept_ra", "ipv4/conf/*/accept_redirects"]) {
    const read = (device: string) => readSysctl(`net/${setting.replace("*", device)}`);
    expect(read(link.hostDevice)).toBe("0");
    expect(inNetns(link.netnsPath, () => read("eth0"))).toBe("0");
  }
  await deleteNode(link);
});

test("making it again repairs what was lost, and changes nothing else", async () => {
  const link = node("one", 0);
  await createNode(link);
  const whole = await host();
  await createNode(link);
  {
    using route = openRoute();
    deleteRoute(route, { to: link.serviceCidr, link: 0 });
  }
  await createNode(link);
  expect(await host()).toEqual(whole);
  await deleteNode(link);
  expect(await host()).toEqual(before);
});

test("deleting what is half there, or not there, is no error", async () => {
  const link = node("one", 0);
  await createNode(link);
  {
    using route = openRoute();
    deleteLink(route, link.hostDevice);
  }
  await deleteNode(link);
  await deleteNode(link);
  expect(await host()).toEqual(before);
});

test("what a start that was killed left in the namespace's place is no hindrance", async () => {
  const link = node("one", 0);
  await createNode(link);
  await deleteNode(link);
  writeFileSync(link.netnsPath, "");
  await createNode(link);
  expect(isNetns(link.netnsPath)).toBe(true);
  await deleteNode(link);
});

test("two clusters share forwarding: it goes with the last one, whichever that is", async () => {
  await createNode(node("one", 0));
  await createNode(node("two", 1));
  await deleteNode(node("one", 0));
  expect(readSysctl("net.ipv4.ip_forward")).toBe("1");
  await deleteNode(node("two", 1));
  expect(await host()).toEqual(before);
});

test("a host that forwarded before still does afterwards", async () => {
  writeSysctl("net.ipv4.ip_forward", 1);
  await createNode(node("one", 0));
  await deleteNode(node("one", 0));
  expect(readSysctl("net.ipv4.ip_forward")).toBe("1");
});
