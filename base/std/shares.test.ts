import { expect, it } from "vitest";
import { NestedShares, type Owner, Shares } from "./shares.ts";

const limits = { all: 10, each: 4, reserved: 2 };
const a: Owner = { name: "a" };
const b: Owner = { name: "b" };
const c: Owner = { name: "c" };
const node: Owner = { name: "node", may: "reserve" };
const controller: Owner = { name: "controller", may: "all" };

it("one owner has its share, and leaves the rest to others", () => {
  const shares = new Shares(limits);
  const give = shares.take(a, 4);
  expect([a, b].map((owner) => shares.fits(owner))).toEqual([false, true]);
  give();
  give();
  expect([shares.fits(a), shares.taken]).toEqual([true, 0]);
});

it("all owners together leave the reserve to those that may use it", () => {
  const shares = new Shares(limits);
  for (const owner of [a, b]) shares.take(owner, 4);
  expect([c, node, controller].map((owner) => shares.fits(owner))).toEqual([false, true, true]);
  shares.take(node, 2);
  expect([node, controller].map((owner) => shares.fits(owner))).toEqual([false, false]);
});

it("owners of the reserve that use no more leave the rest to others", () => {
  const shares = new Shares(limits);
  shares.take(node, 2);
  for (const owner of [a, b]) {
    expect(shares.fits(owner, 4)).toBe(true);
    shares.take(owner, 4);
  }
  expect([c, node].map((owner) => shares.fits(owner))).toEqual([false, false]);
});

it("an owner without a share of its own may take all", () => {
  const shares = new Shares(limits);
  shares.take(node, 4);
  expect(shares.fits(node)).toBe(false);
  shares.take(controller, 5);
  expect(shares.fits(controller)).toBe(true);
});

it("an amount larger than a share fits an owner without any, one above all fits alone", () => {
  const shares = new Shares(limits);
  expect(shares.fits(a, 6)).toBe(true);
  const give = shares.take(b, 1);
  expect(shares.fits(a, 6)).toBe(true);
  expect(shares.fits(b, 6)).toBe(false);
  expect(shares.fits(a, 100)).toBe(false);
  give();
  expect(shares.fits(a, 100)).toBe(true);
  const giveAll = shares.take(a, 100);
  expect([b, node].map((owner) => shares.fits(owner, 2))).toEqual([false, true]);
  giveAll();
  expect(shares.taken).toBe(0);
});

it("owners have shares of those of their group", () => {
  const shares = new NestedShares({ all: 8, reserved: 2, eachGroup: 4, each: 3 });
  const gives = [1, 2, 3].map(() => shares.take(a, c));
  expect([shares.take(a, c), typeof shares.take(b, c)]).toEqual(["owner", "function"]);
  expect(shares.take(b, c)).toBe("group");
  for (const name of ["d", "e"]) expect(typeof shares.take({ name }, b)).toBe("function");
  expect([shares.take(c, a), typeof shares.take(node, node)]).toEqual(["all", "function"]);
  for (const give of gives) if (typeof give === "function") give();
  expect(typeof shares.take(a, c)).toBe("function");
});
