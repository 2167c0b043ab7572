import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Server } from "../transcripts/servers.ts";
import { normalised } from "./normalise.ts";
import type { Script } from "./script.ts";

const MANIFESTS = join(import.meta.dirname, "manifests");

/** How long one command may take; most take a tenth of a second. */
const COMMAND_TIMEOUT_MS = 90_000;
const OUTPUT_BYTES_MAX = 1 << 22;

/** A kubectl in front of a server, with a home for what it keeps of discovery. */
export interface Stage {
  play(script: Script): Promise<Played[]>;
  close(): Promise<void>;
}

/** One command and what came of it, in words that are the same each time. */
export interface Played {
  readonly command: string;
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Sets a kubectl, the program at `path`, before a server as its master. */
export async function setStage(path: string, server: Server): Promise<Stage> {
  const dir = await mkdtemp(join(tmpdir(), "r2k-kubectl-"));
  for (const folder of ["bin", "tmp"]) await mkdir(join(dir, folder));
  await symlink(path, join(dir, "bin/kubectl"));
  return { play: (script) => play(script, server, dir), close: () => rm(dir, { recursive: true }) };
}

async function play({ name, lines }: Script, server: Server, home: string): Promise<Played[]> {
  const ns = `script-${name}`;
  await server.call("POST", "/api/v1/namespaces", { body: { metadata: { name: ns } } });
  const account = { metadata: { name: "default" } };
  await server.call("POST", `/api/v1/namespaces/${ns}/serviceaccounts`, { body: account });
  const cwd = join(home, name);
  await cp(MANIFESTS, cwd, { recursive: true });
  const config = join(home, `${name}.kubeconfig`);
  await writeFile(config, configOf(server, ns), { mode: 0o600 });
  const env = {
    PATH: `${join(home, "bin")}:${process.env["PATH"]}`,
    HOME: home,
    TMPDIR: join(home, "tmp"),
    KUBECONFIG: config,
    NS: ns,
    TZ: "UTC",
    LC_ALL: "C",
  };
  const played: Played[] = [];
  for (const command of lines) {
    const { exit, stdout, stderr } = await run(command, cwd, env);
    played.push({ command, exit, stdout: normalised(stdout, ns), stderr: normalised(stderr, ns) });
  }
  return played;
}

function run(
  command: string,
  cwd: string,
  env: Record<string, string>,
): Promise<{ exit: number; stdout: string; stderr: string }> {
  const options = { cwd, env, timeout: COMMAND_TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX };
  return new Promise((resolve, reject) => {
    execFile("sh", ["-c", command], options, (error, stdout, stderr) => {
      const exit = error === null ? 0 : error.code;
      if (typeof exit === "number") resolve({ exit, stdout, stderr });
      else reject(new Error(`${command}: did not end by itself\n${stdout}\n${stderr}`));
    });
  });
}

/** Only loopback is spoken to: whose certificate the server has is not looked at. */
function configOf({ port, pair }: Server, namespace: string): string {
  const base64 = (pem: string) => Buffer.from(pem).toString("base64");
  const user = {
    "client-certificate-data": base64(pair.cert),
    "client-key-data": base64(pair.key),
  };
  const cluster = { server: `https://127.0.0.1:${port}`, "insecure-skip-tls-verify": true };
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "here", cluster }],
    users: [{ name: "master", user }],
    contexts: [{ name: "here", context: { cluster: "here", user: "master", namespace } }],
    "current-context": "here",
  });
}
