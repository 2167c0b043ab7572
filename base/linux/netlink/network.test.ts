import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { suiteFolder } from "../../../testing/folders.ts";
import { createNetns, deleteNetns, inNetns, isNetns } from "../namespace/netns.ts";
import { applyRuleset, deleteTable, listRuleset } from "../netfilter/nft.ts";
import { readSysctl, writeSysctl } from "../proc/sysctl.ts";
import { addAddress, deleteAddress, listAddresses, splitCidr } from "./address.ts";
import {
  createBridge,
  createVeth,
  deleteLink,
  deleteLinkAside,
  findLink,
  getLink,
  listLinks,
  openRoute,
  setBridgePort,
  setLink,
} from "./link.ts";
import { addRoute, deleteRoute, listAllRoutes, listRoutes, replaceRoute } from "./route.ts";

const root = suiteFolder("r2k-linux-");
const one = join(root, "netns one");
const two = join(root, "two");

beforeAll(() => {
  createNetns(one);
  createNetns(two);
});

afterAll(() => {
  deleteNetns(one);
  deleteNetns(two);
});

/** A socket that lives in namespace one. */
const routeIn = (path: string) => inNetns(path, openRoute);

describe("network namespaces", () => {
  test("a new one has only loopback, and the caller is back home afterwards", () => {
    using here = openRoute();
    const before = listLinks(here).map((link) => link.name);
    expect(inNetns(one, () => listLinks(openRoute())).map((link) => link.name)).toEqual(["lo"]);
    using after = openRoute();
    expect(listLinks(after).map((link) => link.name)).toEqual(before);
  });

  test("the caller is back home after an error too", () => {
    expect(() =>
      inNetns(one, () => {
        throw new Error("inside");
      }),
    ).toThrow("inside");
    using after = openRoute();
    expect(listLinks(after).length).toBeGreaterThan(1);
  });

  test("creating over an existing one is refused, deleting twice is not", () => {
    expect(() => createNetns(one)).toThrow(/EEXIST/);
    expect(isNetns(one)).toBe(true);
    const path = join(root, "three");
    createNetns(path);
    deleteNetns(path);
    deleteNetns(path);
    expect(existsSync(path)).toBe(false);
    expect(isNetns(path)).toBe(false);
  });
});

describe("links", () => {
  test("a veth pair spans two namespaces and carries the settings given", () => {
    using route = routeIn(one);
    createVeth(
      route,
      { name: "r2ka", mtu: 1400, up: true },
      { name: "r2kb", mac: "02:00:00:00:00:02", netns: two, up: true },
    );
    const near = getLink(route, "r2ka");
    using far = routeIn(two);
    const other = getLink(far, "r2kb");
    expect(near).toMatchObject({ kind: "veth", mtu: 1400, up: true, peer: other.index });
    expect(other).toMatchObject({ mac: "02:00:00:00:00:02", peer: near.index });
    expect(deleteLink(route, "r2ka")).toBe(true);
    expect(deleteLink(route, "r2ka")).toBe(false);
    expect(findLink(far, "r2kb")).toBeUndefined();
  });

  test("a pair is deleted in another thread, also one that is gone", async () => {
    using route = routeIn(one);
    createVeth(route, { name: "r2ka" }, { name: "r2kb" });
    const deleted = deleteLinkAside(route, "r2ka");
    expect(process.getActiveResourcesInfo()).toContain("FSReqCallback");
    await deleted;
    expect(findLink(route, "r2kb")).toBeUndefined();
    await deleteLinkAside(route, "r2ka");
    await expect(deleteLinkAside(route, "lo")).rejects.toThrow("EOPNOTSUPP");
  });

  test("bridge, its ports, hairpin, promiscuity, renaming", () => {
    using route = routeIn(one);
    createBridge(route, { name: "r2kbr", up: true, promiscuous: true });
    createVeth(route, { name: "r2kc" }, { name: "r2kd" });
    const bridge = getLink(route, "r2kbr");
    const port = getLink(route, "r2kc");
    setLink(route, port, { master: bridge.index, name: "r2kport" });
    setBridgePort(route, port, { hairpin: true });
    expect(getLink(route, "r2kport").master).toBe(bridge.index);
    expect(bridge).toMatchObject({ kind: "bridge", promiscuous: true });
    const shown = inNetns(one, () => execFileSync("bridge", ["-d", "link", "show"]).toString());
    expect(shown).toMatch(/r2kport[^]*hairpin on/);
    expect(() => createBridge(route, { name: "r2kbr" })).toThrow(/create bridge r2kbr: EEXIST/);
    deleteLink(route, "r2kport");
    deleteLink(route, "r2kbr");
  });

  test("the kernel's explanation is part of the error", () => {
    using route = routeIn(one);
    const name = "a-name-longer-than-ifnamsiz";
    expect(() => createBridge(route, { name })).toThrow(/ERANGE|EINVAL/);
    expect(() => getLink(route, "absent")).toThrow("there is no link absent");
  });
});

describe("addresses, routes", () => {
  test("round trip on a veth, both families", () => {
    using route = routeIn(one);
    createVeth(route, { name: "r2ke", up: true }, { name: "r2kf", up: true });
    const link = getLink(route, "r2ke").index;
    expect(addAddress(route, link, "10.9.0.1/24")).toBe(true);
    expect(addAddress(route, link, "10.9.0.1/24")).toBe(false);
    expect(addAddress(route, link, "fd00:9::1/64")).toBe(true);
    const found = listAddresses(route, link).map(({ cidr }) => cidr);
    expect(found).toContain("10.9.0.1/24");
    expect(found).toContain("fd00:9::1/64");

    addRoute(route, { to: "10.77.0.0/16", via: "10.9.0.9", link, mtu: 1300, metric: 5 });
    expect(() => addRoute(route, { to: "10.77.0.0/16", via: "10.9.0.9", link, metric: 5 })).toThrow(
      /EEXIST/,
    );
    replaceRoute(route, { to: "10.77.0.0/16", via: "10.9.0.8", link, metric: 5 });
    expect(listRoutes(route)).toContainEqual({
      to: "10.77.0.0/16",
      via: "10.9.0.8",
      link,
      metric: 5,
      scope: 0,
    });
    for (const table of [77, 1077]) addRoute(route, { to: "10.78.0.0/16", link, table });
    const elsewhere = listAllRoutes(route, 4).filter(({ to }) => to === "10.78.0.0/16");
    expect(elsewhere.map(({ table }) => table).sort()).toEqual([1077, 77]);
    expect(listRoutes(route).map(({ to }) => to)).not.toContain("10.78.0.0/16");
    addRoute(route, { to: "0.0.0.0/0", via: "10.9.0.9", link: 0 });
    addRoute(route, { to: "fd00:77::/32", via: "fd00:9::9", link });
    expect(listRoutes(route, 6).map(({ to }) => to)).toContain("fd00:77::/32");
    expect(deleteRoute(route, { to: "10.77.0.0/16", link, metric: 5 })).toBe(true);
    expect(deleteRoute(route, { to: "10.77.0.0/16", link, metric: 5 })).toBe(false);
    expect(deleteAddress(route, link, "10.9.0.1/24")).toBe(true);
    expect(deleteAddress(route, link, "10.9.0.1/24")).toBe(false);
    deleteLink(route, "r2ke");
  });

  test("what is no address is refused before the kernel sees it", () => {
    expect(() => splitCidr("10.0.0.1/33")).toThrow("not in CIDR notation");
    expect(() => splitCidr("10.0.0.1")).toThrow("not in CIDR notation");
    expect(() => splitCidr("host/8")).toThrow("not an IP address");
  });
});

describe("sysctl and nft", () => {
  test("a sysctl is written in the namespace entered only", () => {
    const outside = readSysctl("net.ipv4.ip_forward");
    inNetns(one, () => writeSysctl("net.ipv4.ip_forward", outside === "1" ? 0 : 1));
    expect(readSysctl("net.ipv4.ip_forward")).toBe(outside);
    expect(inNetns(one, () => readSysctl("net.ipv4.ip_forward"))).not.toBe(outside);
    expect(() => readSysctl("../../etc/passwd")).toThrow("not the name of a sysctl");
    expect(() => readSysctl("net.ipv4.absent")).toThrow(/sysctl net.ipv4.absent/);
  });

  test("a ruleset is applied whole or not at all, in the namespace given", async () => {
    const good = "table ip r2ktest {\n chain c { counter accept; }\n}\n";
    await applyRuleset(good, { netns: one });
    const objects = await listRuleset(["table", "ip", "r2ktest"], { netns: one });
    expect(objects.some((object) => object.chain?.name === "c")).toBe(true);
    const bad = "add table ip r2kother\nadd rule ip r2kother absent accept\n";
    await expect(applyRuleset(bad, { netns: one })).rejects.toThrow(/absent/);
    await expect(listRuleset(["table", "ip", "r2kother"], { netns: one })).rejects.toMatchObject({
      name: "NftError",
      code: "ENOENT",
    });
    await expect(listRuleset(["table", "ip", "r2ktest"])).rejects.toMatchObject({ code: "ENOENT" });
    await deleteTable("ip", "r2ktest", { netns: one });
    await deleteTable("ip", "r2ktest", { netns: one });
  });
});
