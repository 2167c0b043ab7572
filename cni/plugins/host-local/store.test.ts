import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { openStore } from "./store.ts";

const dir = mkdtempSync(join(tmpdir(), "r2k-host-local-"));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test("an incomplete reservation of a killed plugin is deleted with the next open", async () => {
  mkdirSync(join(dir, "net"), { recursive: true });
  writeFileSync(join(dir, "net/10.0.0.7.new"), "");
  writeFileSync(join(dir, "net/10.0.0.8"), "pod\r\neth0");
  using store = await openStore(dir, "net");
  expect([...store.owners()]).toEqual([["10.0.0.8", { containerId: "pod", ifName: "eth0" }]]);
  expect(readdirSync(join(dir, "net")).sort()).toEqual(["10.0.0.8", "lock"]);
});

test("the owners of addresses of both families, and of no other file", async () => {
  using store = await openStore(dir, "net");
  const owner = { containerId: "pod", ifName: "eth0" };
  for (const address of ["10.0.0.8", "fd00::8"]) store.reserve(address, owner);
  store.setLast(0, "10.0.0.8");
  expect([...store.owners().keys()].sort()).toEqual(["10.0.0.8", "fd00::8"]);
});
