import { expect, it } from "vitest";
import { parseRequestInfo } from "../request/request-info.ts";
import { workOf } from "./work.ts";

const MAPS = "/api/v1/namespaces/default/configmaps";

/** Seats of a request, where the resource has a gigabyte of objects. */
function seatsOf(method: string, search = ""): number {
  const query = new URLSearchParams(search);
  const startedCache = { size: 10_000, bytes: 1e9, watchersOf: () => 0 };
  type Resources = Parameters<typeof workOf>[1];
  const resources = { find: () => ({ startedCache }) } as unknown as Resources;
  const info = parseRequestInfo(method, MAPS, query);
  return workOf({ info, query }, resources, 100).work.seats;
}

it("the deletion of a collection takes the seats of its list", () => {
  expect(seatsOf("DELETE", "dryRun=All")).toBe(seatsOf("GET"));
  expect(seatsOf("GET")).toBeGreaterThan(1);
});

it("a watch that sends all objects first takes the seats of their list", () => {
  const watch = (search: string) => seatsOf("GET", `watch=1${search}`);
  expect(watch("")).toBe(seatsOf("GET"));
  expect(watch("&resourceVersion=0")).toBe(seatsOf("GET"));
  expect(watch("&resourceVersion=7&sendInitialEvents=true")).toBe(seatsOf("GET"));
  expect(watch("&resourceVersion=7")).toBe(1);
});

it("a list of an exact revision, which may be read from the store, takes those of one", () => {
  const exact = seatsOf("GET", "resourceVersion=7&resourceVersionMatch=Exact");
  expect(exact).toBe(seatsOf("GET", "continue=x"));
  expect(exact).toBeGreaterThan(seatsOf("GET"));
});
