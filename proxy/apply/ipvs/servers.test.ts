import type { VirtualServer } from "@raft2kube/linux/netfilter/ipvs.ts";
import { NetlinkError } from "@raft2kube/linux/netlink/messages.ts";
import { expect, test } from "vitest";
import { ourServers } from "./servers.ts";

const failing = (code: string) => ({
  servers(): VirtualServer[] {
    throw new NetlinkError(code, "list the virtual servers");
  },
});
const server = (port: number, marked: boolean): VirtualServer => ({
  address: "10.96.0.1",
  protocol: "tcp",
  port,
  scheduler: "rr",
  persistence_s: undefined,
  marked,
});

test("virtual servers without our mark belong to others", () => {
  const servers = () => [server(1, true), server(2, false)];
  expect(ourServers({ servers }).map(({ port }) => port)).toEqual([1]);
});

test("a process that may not list virtual servers has made none", () => {
  expect(ourServers(failing("EPERM"))).toEqual([]);
});

test("a list that fails for another reason is no list without ours", () => {
  expect(() => ourServers(failing("ENOBUFS"))).toThrow(/list the virtual servers/);
});
