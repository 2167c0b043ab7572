import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { suiteFolder } from "../../../testing/folders.ts";
import { watchHost } from "../../host-traces.ts";

const dir = suiteFolder("r2k-traces-");

it("a table that a test leaves on the host is named", async () => {
  const table = `table ip r2k-left-${process.pid}`;
  const left = watchHost(1_000);
  execFileSync("nft", ["add", ...table.split(" ")]);
  try {
    expect(await left()).toContain(table);
  } finally {
    execFileSync("nft", ["delete", ...table.split(" ")]);
  }
  expect(await left()).not.toContain(table);
});

it("a supervisor that a test leaves running is named", async () => {
  const left = watchHost(1_000);
  const script = join(dir, "supervise.sh");
  writeFileSync(script, "read -r _\n");
  const supervisor = spawn("sh", [script, "r2k-left"], { stdio: ["pipe", "ignore", "ignore"] });
  const ended = once(supervisor, "exit");
  expect(await left()).toContain(`sh ${script} r2k-left`);
  supervisor.stdin.end();
  await ended;
  expect(await left()).not.toContain(`sh ${script} r2k-left`);
});
