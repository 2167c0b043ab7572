import { expect, it } from "vitest";
import type { Incoming } from "../request/context.ts";
import { ownerOf, ownerOfAddress } from "./owner.ts";

const request = {} as Incoming;
const ownerOfUser = (name: string, ...groups: string[]) =>
  ownerOf({ request, user: { name, groups } });

it("addresses of one IPv6 network share, and those of IPv4 do not", () => {
  const ofAddress = (remoteAddress: string) => ownerOfAddress({ remoteAddress }).name;
  expect(ofAddress("2001:db8::1")).toBe("address 2001:db8::/64");
  expect(ofAddress("2001:db8::ffff:1:2:3")).toBe("address 2001:db8::/64");
  expect(ofAddress("2001:db8:0:1::1")).toBe("address 2001:db8:0:1::/64");
  expect(ofAddress("fe80::1%eth0")).toBe("address fe80::/64");
  for (const address of ["10.0.0.1", "::ffff:10.0.0.1", ""]) {
    expect(ofAddress(address)).toBe(`address ${address}`);
  }
});

it("a user's name is the share of no node, address, namespace or other user", () => {
  const others = [
    ownerOfUser("system:node:n1", "system:nodes"),
    ownerOfUser("system:serviceaccount:team:x", "system:serviceaccounts:team"),
  ];
  expect(others).toEqual([
    { name: "node n1", may: "reserve" },
    { name: "system:serviceaccounts:team" },
  ]);
  const taken = new Set(others.map(({ name }) => name));
  for (const name of [
    "node n1",
    "system:serviceaccounts:team",
    "address 10.0.0.1",
    "jane",
    "user node n1",
    "user jane",
    "node",
    "nodes",
  ]) {
    const owner = ownerOfUser(name);
    expect(owner.may).toBeUndefined();
    expect(taken.has(owner.name), owner.name).toBe(false);
    expect(owner.name).not.toMatch(/^address /);
    taken.add(owner.name);
  }
});
