import { type ChildProcess, execFile, spawn } from "node:child_process";
import { appendFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterAll, describe, expect, it } from "vitest";
import { ROOT_DIR } from "../cli/cluster/assets.ts";
import { findLab } from "../cli/labs/manifest.ts";
import { ownTree } from "../cli/labs/own-tree.ts";
import { cacheFolder, writeReference } from "../cli/labs/workspace.ts";
import { bundle } from "../scripts/build/bundle.ts";
import { entryPoints } from "../scripts/build/entries.ts";

const TIMEOUT_MS = 180_000;
const LABS = ["03", "04", "05"];
const ETCDCTL = ["/usr/bin/etcdctl", join(ROOT_DIR, ".peers/bin/etcdctl")].find(existsSync);
const run = promisify(execFile);

const scratch = mkdtempSync(join(cacheFolder(), "own-core-"));
const env = { ...process.env, R2K_LABS: join(scratch, "my") };
const processes: ChildProcess[] = [];
let members: Member[] = [];
afterAll(() => {
  for (const child of processes) child.kill("SIGKILL");
  rmSync(scratch, { recursive: true });
});

async function lab(...words: string[]): Promise<string> {
  const main = join(ROOT_DIR, "cli/main.ts");
  return (await run(process.execPath, [main, "lab", ...words], { env })).stdout;
}

/** A reader's core that has passed: the reference, which says at its start that it is theirs. */
async function writeOwnCore(): Promise<void> {
  for (const number of LABS) {
    const tree = ownTree(number, env);
    writeReference(findLab(number), tree);
    const [file] = findLab(number).files;
    appendFileSync(join(tree, file!), `process.stderr.write("own part of lab ${number}\\n");\n`);
    await lab("check", number, "--runs", "1");
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" ? address!.port : 0));
    });
  });
}

interface Member {
  readonly endpoint: string;
  readonly said: () => string;
}

async function startMembers(program: string): Promise<Member[]> {
  const names = ["a", "b", "c"];
  const ports: number[] = [];
  for (let i = 0; i < 2 * names.length; i++) ports.push(await freePort());
  const peerUrl = (i: number) => `http://127.0.0.1:${ports[2 * i + 1]}`;
  const all = names.map((name, i) => `${name}=${peerUrl(i)}`).join(",");
  return names.map((name, i) => {
    const endpoint = `http://127.0.0.1:${ports[2 * i]}`;
    const flags = [
      ["--name", name],
      ["--data-dir", join(scratch, name)],
      ["--listen-client-urls", endpoint],
      ["--listen-peer-urls", peerUrl(i)],
      ["--initial-advertise-peer-urls", peerUrl(i)],
      ["--initial-cluster", all],
    ];
    const child = spawn(process.execPath, [program, "store", ...flags.flat()], {
      env: { ...env, R2K_ROOT: ROOT_DIR },
      stdio: ["ignore", "pipe", "pipe"],
    });
    processes.push(child);
    let said = "";
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding("utf8").on("data", (text: string) => (said += text));
    }
    return { endpoint, said: () => said };
  });
}

describe("a reader's own core", { timeout: TIMEOUT_MS }, () => {
  it("is used once it has passed, and not before", async () => {
    await expect(lab("use", "own", "core")).rejects.toThrow(/none has passed/);
    await writeOwnCore();
    const said = await lab("use", "own", "core");
    for (const number of LABS) expect(said).toContain(`lab ${number}: yours`);
  });

  it("runs the store, of three members, for etcd's clients", async () => {
    const trees = LABS.map((number) => ownTree(number, env));
    const outDir = join(scratch, "bundle");
    await bundle({ outDir, entries: entryPoints(), trees });
    members = await startMembers(join(outDir, "main.js"));
    const clients = members.map(({ endpoint }) => connectEtcd({ endpoints: [endpoint] }));
    const [client] = clients;
    const key = Buffer.from("lab");
    const value = Buffer.from("own core");
    const soon = { clock: systemClock(), timeout_ms: 60_000 };
    await waitFor("the members to elect a leader", () => client!.put({ key, value }), soon);
    const { kvs } = await clients[2]!.range({ key });
    expect(kvs[0]?.value.toString()).toBe("own core");
    for (const { said } of members) {
      for (const number of LABS) expect(said()).toContain(`own part of lab ${number}`);
    }
    for (const each of clients) await each.close();
  });

  it.runIf(ETCDCTL !== undefined)("serves etcdctl", async () => {
    const etcdctl = async (at: number, ...words: string[]) => {
      const args = ["--endpoints", members[at]!.endpoint, ...words];
      return (await run(ETCDCTL!, args, { env: { ...env, ETCDCTL_API: "3" } })).stdout;
    };
    expect(await etcdctl(0, "put", "by", "etcdctl")).toBe("OK\n");
    expect(await etcdctl(2, "get", "by")).toBe("by\netcdctl\n");
  });
});
