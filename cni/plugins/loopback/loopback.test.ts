import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { getLink, openRoute, setLink } from "@raft2kube/linux/netlink/link.ts";
import { afterAll, expect, test } from "vitest";
import { createNamespaces } from "../../../testing/network/namespaces.ts";
import type { PluginCall } from "../../lib/skel.ts";
import type { CniResult } from "../../lib/types.ts";
import { loopback } from "./loopback.ts";

const namespaces = createNamespaces("r2k-loopback-");
const netns = namespaces.add("pod");
afterAll(() => namespaces.close());

const call = (more: object = {}) => ({ netns, ifName: "lo", ...more }) as unknown as PluginCall;

function setDown(): void {
  inNetns(netns, () => {
    using route = openRoute();
    setLink(route, getLink(route, "lo"), { up: false });
  });
}

test("ADD sets lo up, CHECK finds it down, DEL sets it down", async () => {
  setDown();
  await expect(loopback.check(call())).rejects.toThrow(/lo in .* is down/);
  const { interfaces, ips } = await loopback.add(call());
  expect(interfaces).toMatchObject([{ name: "lo", sandbox: netns }]);
  expect(ips?.map(({ address }) => address)).toContain("127.0.0.1/8");
  await loopback.check(call());
  await loopback.del(call());
  await expect(loopback.check(call())).rejects.toThrow(/is down/);
});

test("the result of a plugin before is passed on", async () => {
  const prevResult: CniResult = { cniVersion: "1.1.0", ips: [{ address: "10.0.0.2/24" }] };
  expect(await loopback.add(call({ prevResult }))).toBe(prevResult);
});

test.each(["", "/nowhere/ns"])("DEL without the namespace %j is no error", async (gone) => {
  await expect(loopback.del(call({ netns: gone }))).resolves.toBeUndefined();
});
