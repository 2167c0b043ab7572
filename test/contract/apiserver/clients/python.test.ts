import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { startStore } from "@raft2kube/store/main.ts";
import { describe, expect, it } from "vitest";
import { startTestApiserver } from "../../../../testing/apiserver/test-apiserver.ts";
import { testFolder } from "../../../../testing/folders.ts";

const PYTHON = join(import.meta.dirname, "../../../../.peers/python/bin/python");
const PROGRAM = join(import.meta.dirname, "python-client.py");
/** Loading the client alone takes tens of seconds where everything else runs as well. */
const TIMEOUT_MS = 300_000;

const execute = promisify(execFile);

describe.skipIf(!existsSync(PYTHON))("Python's client", () => {
  it("lists in pages, watches from there, is refused, elects a leader", async () => {
    const dir = testFolder("r2k-python-");
    const listenClient = { path: join(dir, "s.sock") };
    const store = await startStore({ dataDir: join(dir, "store"), listenClient });
    const api = await startTestApiserver(store.client);
    try {
      const config = await api.kubeconfigFor("admin", ["system:masters"]);
      const options = { timeout: TIMEOUT_MS };
      const { stdout, stderr } = await execute(PYTHON, [PROGRAM, config], options);
      const own = stdout
        .split("\n")
        .filter((line) => /^(listed|watched|refused|led|rec)/.test(line));
      // The error that ended a candidate's thread stands there alone.
      expect(own, stderr).toEqual([
        "listed a b c",
        "watched MODIFIED a",
        "watched DELETED b",
        "refused 409 Conflict",
        "led by one of them",
        "recorded True",
      ]);
    } finally {
      await api.close();
      await store.close();
    }
  });
});
