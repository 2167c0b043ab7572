import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { walksOf } from "../../labs/walk.ts";
import { OwnHost } from "./own-host.ts";
import { WalkShell } from "./walk-shell.ts";

// Takes turns, control planes: each file makes one, here by hand as lab 19 does, in
// machines.test.ts by init and join, in control-planes.test.ts three, in etcd-servers.test.ts on
// Debian's etcd. Those two kill what keeps the objects, and restore a backup of it.

const README = join(import.meta.dirname, "../../labs/19-the-hard-way/README.md");

const walks = walksOf(readFileSync(README, "utf8"));
let host: OwnHost;
let shell: WalkShell;

beforeAll(async () => {
  host = await OwnHost.create();
  shell = new WalkShell({ host, name: "hard-way", env: host.env });
});

afterAll(async () => {
  await host?.run("labs/19-the-hard-way/machines", ["down"]);
  await host?.close();
});

it("the page makes a whole cluster", () => {
  expect(walks.length).toBeGreaterThan(40);
});

describe("a cluster by hand", () => {
  it.each(walks)("$command", (walk) => shell.follow(walk));
});
