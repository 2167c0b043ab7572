import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { testFolder } from "../testing/folders.ts";
import { startStore } from "./npm.ts";

let folder: string;
let temporary: string | undefined;

beforeEach(() => {
  folder = testFolder("r2k-npm-");
  temporary = process.env["TMPDIR"];
  process.env["TMPDIR"] = folder;
});
afterEach(() => {
  if (temporary === undefined) delete process.env["TMPDIR"];
  else process.env["TMPDIR"] = temporary;
});

test("a store without a directory has one of its own, which goes with it", async () => {
  const store = await startStore();
  expect(readdirSync(folder)).toHaveLength(1);
  expect(store.endpoint).toMatch(/^http:\/\/127\.0\.0\.1:[0-9]+$/);
  await store.client.put({ key: Buffer.from("a") });
  await store.close();
  expect(readdirSync(folder)).toEqual([]);
});

test("a directory that was named stays, and a start that fails leaves nothing", async () => {
  const dataDir = join(folder, "data");
  const store = await startStore({ dataDir, listenClient: { path: join(folder, "s.sock") } });
  expect(store.endpoint).toBe(`unix://${join(folder, "s.sock")}`);
  await store.close();
  expect(existsSync(join(dataDir, "member"))).toBe(true);
  const before = readdirSync(folder);
  const listenClient = { path: join(folder, "x".repeat(200)) };
  await expect(startStore({ listenClient })).rejects.toMatchObject({ code: "SOCKET_PATH" });
  expect(readdirSync(folder)).toEqual(before);
});
